package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"time"
)

// Shapes that are asked for by name alone, since nobody in them waits for good: who sleeps can
// always run again. Each request has 2 MiB that hang on its context or its goroutine.
//
//	refresh  leaves a goroutine that keeps the context and looks at it now and then
//	audit    leaves one that keeps the request, and its body beside
//	slow     is still being answered, helped by a goroutine of its own: nothing is wrong
//	detached leaves one that keeps the values alone, by context.WithoutCancel: nothing is wrong
//	left     is still being worked on, though its client has gone: nothing is wrong yet
//
// With -fixed the goroutines of refresh and audit end with their request.
func init() {
	named["refresh"] = shape{"either", startRefresh, post, nil}
	named["audit"] = shape{"either", startAudit, post, nil}
	named["slow"] = shape{"either", slow, begin, nil}
	named["left"] = shape{"either", left, depart, nil}
}

const large = 2 << 20

// filled is memory that is really there.
func filled() []byte { return bytes.Repeat([]byte("data"), large/4) }

type dataKey struct{}

func withData(ctx context.Context) context.Context {
	return context.WithValue(ctx, dataKey{}, &user{"user", filled()})
}

func startRefresh(w http.ResponseWriter, r *http.Request) {
	go refresh(withData(r.Context()))
	w.WriteHeader(http.StatusAccepted)
}

//go:noinline
func refresh(ctx context.Context) {
	for {
		if *fixed && ctx.Err() != nil {
			return
		}
		pause(ctx)
		if ctx.Value(dataKey{}) == nil {
			return
		}
	}
}

// pause is a while, or the time until the request has ended.
func pause(ctx context.Context) {
	if *fixed {
		<-ctx.Done()
		return
	}
	time.Sleep(time.Hour)
}

func startAudit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	go audit(r, append(body, filled()...))
	w.WriteHeader(http.StatusAccepted)
}

//go:noinline
func audit(r *http.Request, body []byte) {
	for len(body) > 0 {
		pause(r.Context())
		if *fixed {
			return
		}
		body = body[:len(body)-1]
	}
	runtime.KeepAlive(body)
}

// slow answers a first byte, and the rest when its client goes away.
func slow(w http.ResponseWriter, r *http.Request) {
	ctx := withData(r.Context())
	done := make(chan struct{})
	go help(ctx, done)
	w.Write([]byte{0})
	w.(http.Flusher).Flush()
	<-done
}

//go:noinline
func help(ctx context.Context, done chan struct{}) {
	<-ctx.Done()
	if ctx.Value(dataKey{}) != nil {
		close(done)
	}
}

// left does not look whether its client is still there, and is helped by one that does not either.
func left(w http.ResponseWriter, r *http.Request) {
	ctx := withData(r.Context())
	w.Write([]byte{0})
	w.(http.Flusher).Flush()
	<-ctx.Done()
	working <- struct{}{}
	done := make(chan struct{})
	go compute(ctx, done)
	<-done
}

//go:noinline
func compute(ctx context.Context, done chan struct{}) {
	time.Sleep(time.Hour)
	if ctx.Value(dataKey{}) != nil {
		close(done)
	}
}

// working is told of each handler that has lost its client and works on.
var working = make(chan struct{}, 1<<16)

// depart is a request whose client goes away, which the server has seen.
func depart(client *http.Client, url string) error {
	err := leave(client, url)
	<-working
	return err
}

// begun are the answers that are not read to their end.
var begun = make(chan io.Closer, 1<<16)

// begin is a request whose client waits for more than has come.
func begin(client *http.Client, url string) error {
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	if _, err := answer.Body.Read(make([]byte, 1)); err != nil {
		return err
	}
	begun <- answer.Body
	return nil
}
