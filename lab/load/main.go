// Load sends HTTP requests at a fixed rate, whatever the answers take, and says in one JSON line
// how long they took.
//
// An open loop: requests are due at fixed times, and latency counts from when a request was due,
// not from when it could be sent. A server that stalls for a second therefore shows a second in
// every request of that second; a loop that waits for each answer would show it in one.
//
// Stops by itself after -seconds and -timeout; told to stop before, it prints what it has.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// init ties this process to the one that started it, if that asks for it, as the patients are.
func init() {
	const prSetPdeathsig = 1
	if os.Getenv("LETGO_PATIENT_TETHER") != "" {
		syscall.RawSyscall(syscall.SYS_PRCTL, prSetPdeathsig, uintptr(syscall.SIGKILL), 0)
	}
}

func main() {
	url := flag.String("url", "", "what to GET")
	rate := flag.Int("rate", 1000, "requests a second")
	seconds := flag.Int("seconds", 10, "how long")
	timeout := flag.Duration("timeout", 10*time.Second, "a request that takes longer has failed")
	flag.Parse()
	log.SetFlags(0)
	log.SetPrefix("load: ")
	if *url == "" || *rate < 1 || *seconds < 1 {
		log.Fatal("-url, -rate and -seconds are needed, and are positive")
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)

	outcomes := newClient(*url, *timeout).run(schedule{*rate, *rate * *seconds}, stop)
	line, err := json.Marshal(report{
		Schema:  "letgo.load/1",
		Rate:    *rate,
		Seconds: *seconds,
		figures: figuresOf(outcomes),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

type report struct {
	Schema  string `json:"schema"`
	Rate    int    `json:"rate"`
	Seconds int    `json:"seconds"`
	figures
}
