package main

import (
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// connections is how many requests the server is asked at once; later ones wait, and that counts.
const connections = 512

type client struct {
	http http.Client
	url  string
}

// outcome is one request: when it was sent and answered, both from when it was due.
type outcome struct {
	late, took time.Duration
	ok         bool
}

func newClient(url string, timeout time.Duration) *client {
	return &client{url: url, http: http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			MaxConnsPerHost:     connections,
			MaxIdleConnsPerHost: connections,
			DisableCompression:  true,
		},
	}}
}

// run sends what is scheduled, and waits for all answers.
func (c *client) run(s schedule, stop <-chan os.Signal) []outcome {
	outcomes := make([]outcome, s.count)
	var wait sync.WaitGroup
	sent := s.run(realClock{}, stop, func(i int, due time.Time) {
		wait.Add(1)
		go func() {
			defer wait.Done()
			late := time.Since(due)
			ok := c.get()
			outcomes[i] = outcome{late: late, took: time.Since(due), ok: ok}
		}()
	})
	wait.Wait()
	return outcomes[:sent]
}

func (c *client) get() bool {
	answer, err := c.http.Get(c.url)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err == nil && answer.StatusCode == http.StatusOK
}
