package main

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
)

// batch is how many questions a connection has open at a time.
const batch = 100

// conn is a connection to the server.
type conn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dial(server string) *conn {
	to, err := net.Dial("tcp", server)
	if err != nil {
		log.Fatal(err)
	}
	own := &conn{to, bufio.NewReader(to), bufio.NewWriter(to)}
	fmt.Fprint(own.out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"name\":\"inboxes\"}\r\n")
	if err := own.synced(); err != nil {
		log.Fatal(err)
	}
	return own
}

// synced returns when the server has done all that it was told.
func (own *conn) synced() error {
	fmt.Fprint(own.out, "PING\r\n")
	if err := own.out.Flush(); err != nil {
		return err
	}
	for {
		words, _, err := own.next()
		if err != nil || words[0] == "PONG" {
			return err
		}
	}
}

// next returns the words of the next line, and what it brings: of a message its bytes.
func (own *conn) next() ([]string, []byte, error) {
	line, err := own.in.ReadString('\n')
	if err != nil {
		return nil, nil, err
	}
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, nil, fmt.Errorf("an empty line")
	}
	switch words[0] {
	case "PING":
		fmt.Fprint(own.out, "PONG\r\n")
		return words, nil, own.out.Flush()
	case "-ERR":
		return nil, nil, fmt.Errorf("the server says %s", strings.TrimSpace(line))
	case "MSG":
		size, err := strconv.Atoi(words[len(words)-1])
		if err != nil {
			return nil, nil, err
		}
		body := make([]byte, size+2)
		_, err = io.ReadFull(own.in, body)
		return words, body[:size], err
	}
	return words, nil, nil
}

// newAnswerer returns a connection that questions come to.
func newAnswerer(own *conn) *conn {
	fmt.Fprint(own.out, "SUB prices.* 1\r\n")
	if err := own.synced(); err != nil {
		log.Fatal(err)
	}
	return own
}

// answer answers each question until its connection ends.
func (own *conn) answer() {
	for own.out.Flush() == nil {
		words, _, err := own.next()
		if err != nil {
			return
		}
		if words[0] == "MSG" && len(words) == 5 {
			fmt.Fprintf(own.out, "PUB %s 4\r\n19.5\r\n", words[3])
		}
	}
}

// asker asks, and does not unsubscribe.
type asker struct {
	*conn
	inbox string
	// asked is how many questions it asked, held how many subscriptions it has.
	asked, held int
	isClosed    bool
}

func newAsker(own *conn, number int) *asker {
	return &asker{conn: own, inbox: fmt.Sprintf("_INBOX.K%021d", number)}
}

// ask asks so many questions, each with an inbox of its own, and waits for the answers.
func (own *asker) ask(count int) error {
	for count > 0 {
		some := batch
		if count < some {
			some = count
		}
		for number := 0; number < some; number++ {
			own.asked++
			own.held++
			fmt.Fprintf(own.out, "SUB %s.%d %d\r\n", own.inbox, own.asked, own.asked)
			fmt.Fprintf(own.out, "PUB prices.%d %s.%d 0\r\n\r\n", own.asked%1000, own.inbox, own.asked)
		}
		if err := own.out.Flush(); err != nil {
			return err
		}
		for answers := 0; answers < some; {
			words, _, err := own.next()
			if err != nil {
				return err
			}
			if words[0] == "MSG" {
				answers++
			}
		}
		count -= some
	}
	return nil
}

// unsubscribe unsubscribes from all inboxes.
func (own *asker) unsubscribe() error {
	for ; own.held > 0; own.held-- {
		fmt.Fprintf(own.out, "UNSUB %d\r\n", own.held)
	}
	return own.synced()
}

// idle answers what the server asked meanwhile.
func (own *asker) idle() error {
	if own.isClosed {
		return nil
	}
	return own.synced()
}

func (own *asker) close() error {
	own.held, own.isClosed = 0, true
	return own.Close()
}
