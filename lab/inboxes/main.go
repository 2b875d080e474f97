// Inboxes asks a NATS server many questions and makes a mistake that clients of NATS make: for each
// question it subscribes to a subject of its own, where the answer is to arrive, and never
// unsubscribes. The server holds each subscription for as long as the connection lasts.
//
// It does what it is told on standard input, one line after the other, and says so in a line of
// JSON each time:
//
//	ask N          asks N questions more, spread over its connections
//	unsubscribe    unsubscribes from all of them; the connections stay
//	disconnect     closes the connections that asked
//
// Stops by itself when standard input ends, and after -seconds. Speaks the protocol itself, so that
// it needs no other module: https://docs.nats.io/reference/reference-protocols/nats-protocol
package main

import (
	"bufio"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	server := flag.String("server", "127.0.0.1:4222", "address of the server")
	connections := flag.Int("connections", 8, "how many connections ask")
	seconds := flag.Int("seconds", 600, "when it ends at the latest")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("inboxes: ")
	if *connections < 1 || *seconds < 1 {
		log.Fatal("-connections and -seconds are positive")
	}
	time.AfterFunc(time.Duration(*seconds)*time.Second, func() { os.Exit(0) })

	go newAnswerer(dial(*server)).answer()
	var asking []*asker
	for number := 0; number < *connections; number++ {
		asking = append(asking, newAsker(dial(*server), number))
	}
	for line := range lines() {
		step(strings.Fields(line), asking)
		if line == idle {
			continue
		}
		asked, held := 0, 0
		for _, one := range asking {
			asked, held = asked+one.asked, held+one.held
		}
		fmt.Printf("{\"did\":%q,\"asked\":%d,\"subscriptions\":%d}\n", line, asked, held)
	}
}

// idle is a line of our own: a server closes connections that do not answer its PING.
const idle = "idle"

// lines returns the lines of standard input, and idle from time to time.
func lines() <-chan string {
	all := make(chan string)
	go func() {
		read := bufio.NewScanner(os.Stdin)
		for read.Scan() {
			all <- read.Text()
		}
		close(all)
	}()
	mixed := make(chan string)
	go func() {
		defer close(mixed)
		for tick := time.Tick(20 * time.Second); ; {
			select {
			case line, ok := <-all:
				if !ok {
					return
				}
				mixed <- line
			case <-tick:
				mixed <- idle
			}
		}
	}()
	return mixed
}

// step does what a line says, on all connections at once.
func step(words []string, asking []*asker) {
	do := func(each func(one *asker, number int) error) {
		done := make(chan error)
		for number, one := range asking {
			number, one := number, one
			go func() { done <- each(one, number) }()
		}
		for range asking {
			if err := <-done; err != nil {
				log.Fatal(err)
			}
		}
	}
	switch {
	case len(words) == 2 && words[0] == "ask":
		count, err := strconv.Atoi(words[1])
		if err != nil || count < 0 {
			log.Fatalf("%q is no number of questions", words[1])
		}
		do(func(one *asker, number int) error {
			return one.ask(count*(number+1)/len(asking) - count*number/len(asking))
		})
	case len(words) == 1 && words[0] == idle:
		do(func(one *asker, _ int) error { return one.idle() })
	case len(words) == 1 && words[0] == "unsubscribe":
		do(func(one *asker, _ int) error { return one.unsubscribe() })
	case len(words) == 1 && words[0] == "disconnect":
		do(func(one *asker, _ int) error { return one.close() })
	default:
		log.Fatalf("%q is nothing that it does", strings.Join(words, " "))
	}
}
