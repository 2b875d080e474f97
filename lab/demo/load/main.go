// Load shows letgo on a real service: it starts the session store, gives it a burst of clients,
// lets the load go, runs `letgo why` on what is left, and `letgo release` to give it back.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const clients = 8

// Kept sessions stay; burst sessions expire while the burst is still running or soon after.
const (
	keptSessions = 1500
	burstTTL     = "1s"
)

type service struct {
	url    string
	client http.Client
	body   []byte
	next   int64
}

type stats struct {
	Sessions    int64
	Collections int64
}

func main() {
	program := flag.String("service", "", "the session store's binary")
	letgo := flag.String("letgo", "letgo", "letgo's binary")
	seconds := flag.Int("seconds", 6, "length of the burst")
	flag.Parse()
	log.SetFlags(0)
	if err := run(*program, *letgo, *seconds); err != nil {
		log.Fatal("demo: ", err)
	}
}

func run(program, letgo string, seconds int) error {
	process, s, err := start(program)
	if err != nil {
		return err
	}
	defer func() {
		process.Process.Kill()
		process.Wait()
	}()
	pid := process.Process.Pid
	say("%s runs with GOGC=400, as many do; pid %d, RSS %s", filepath.Base(program), pid, rss(pid))

	say("a burst: %d clients for %d s", clients, seconds)
	if err := s.post(keptSessions, ""); err != nil {
		return err
	}
	stop := s.load(2*time.Millisecond, burstTTL)
	time.Sleep(time.Duration(seconds) * time.Second)
	stop()
	say("the burst is over; RSS %s", rss(pid))

	if err := s.settle(); err != nil {
		return err
	}
	left, err := s.stats()
	if err != nil {
		return err
	}
	time.Sleep(time.Second) // until the sweeper is through
	say("its sessions have expired, the collector has run; %d sessions stay, RSS %s", left.Sessions, rss(pid))
	say("why?  letgo why %d\n", pid)
	if err := show(letgo, "why", pid); err != nil {
		return err
	}
	before := rss(pid)
	say("give it back:  letgo release %d\n", pid)
	if err := show(letgo, "release", pid); err != nil {
		return err
	}
	answers, err := s.stats()
	if err != nil {
		return err
	}
	say("RSS %s -> %s; it still answers, with %d sessions", before, rss(pid), answers.Sessions)
	return nil
}

// show runs a verb of letgo on the service.
func show(letgo, verb string, pid int) error {
	command := exec.Command(letgo, verb, strconv.Itoa(pid))
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	err := command.Run()
	fmt.Println()
	// 1 says that a reading has gaps, and which: a running program may change under it.
	if exit, ok := err.(*exec.ExitError); ok && exit.ExitCode() == 1 {
		return nil
	}
	return err
}

func say(format string, args ...any) {
	fmt.Printf("demo: "+format+"\n", args...)
}

func start(program string) (*exec.Cmd, *service, error) {
	process := exec.Command(program)
	process.Env = append(os.Environ(), "GOGC=400")
	process.Stderr = os.Stderr
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := process.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := process.Start(); err != nil {
		return nil, nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, fmt.Errorf("the service says no address: %w", err)
	}
	values := map[string]string{}
	for i := 0; i < 100; i++ {
		values[fmt.Sprintf("key-%d", i)] = strings.Repeat("value ", 20)
	}
	body, err := json.Marshal(values)
	s := &service{url: "http://" + strings.TrimSpace(address), body: body}
	s.client.Transport = &http.Transport{MaxIdleConnsPerHost: clients}
	return process, s, err
}

// post stores count sessions that live as long as ttl says.
func (s *service) post(count int, ttl string) error {
	for i := 0; i < count; i++ {
		id := atomic.AddInt64(&s.next, 1)
		url := fmt.Sprintf("%s/sessions?id=user-%d&ttl=%s", s.url, id, ttl)
		answer, err := s.client.Post(url, "application/json", bytes.NewReader(s.body))
		if err != nil {
			return err
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	return nil
}

// load stores and reads sessions from all clients until the returned function is called.
func (s *service) load(pause time.Duration, ttl string) (stop func()) {
	var wait sync.WaitGroup
	done := make(chan struct{})
	for c := 0; c < clients; c++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for {
				select {
				case <-done:
					return
				case <-time.After(pause):
				}
				if ttl != "" {
					s.post(1, ttl)
				}
				s.read(fmt.Sprintf("/sessions?id=user-%d", 1+time.Now().UnixNano()%keptSessions), nil)
			}
		}()
	}
	return func() {
		close(done)
		wait.Wait()
	}
}

// settle keeps reading, as a monitor would, until the expired sessions are gone and the collector
// has seen that.
func (s *service) settle() error {
	deadline := time.Now().Add(60 * time.Second)
	stop := s.load(time.Millisecond, "")
	defer stop()
	for s.count() > keptSessions {
		if time.Now().After(deadline) {
			return fmt.Errorf("sessions do not expire")
		}
		time.Sleep(100 * time.Millisecond)
	}
	before, err := s.stats()
	if err != nil {
		return err
	}
	for time.Now().Before(deadline) {
		now, err := s.stats()
		if err != nil {
			return err
		}
		if now.Collections > before.Collections {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the collector does not run")
}

func (s *service) count() int64 {
	now, err := s.stats()
	if err != nil {
		return keptSessions + 1
	}
	return now.Sessions
}

func (s *service) stats() (stats, error) {
	var now stats
	err := s.read("/stats", &now)
	return now, err
}

func (s *service) read(path string, into any) error {
	answer, err := s.client.Get(s.url + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// rss reads what the kernel says, in MiB.
func rss(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "VmRSS:") {
			kib, _ := strconv.Atoi(strings.Fields(line)[1])
			return fmt.Sprintf("%d MiB", kib>>10)
		}
	}
	return "unknown"
}
