// Backlog sends more than is received: what waits in a channel is held by it alone.
//
// The shape is the argument:
//
//	slow  one worker that takes an hour for each job; the queue is full and producers wait
//	gone  the worker has returned, and the queue is half full: nobody receives any more
//	many  a channel for each of many clients, in a map, all of them slow
//
// With -fixed everything that was sent was received.
package main

import (
	"bytes"
	"flag"
	"runtime"
	"sync"
	"time"

	"letgo.lab/truth"
)

const (
	payload   = 64 << 10
	producers = 3
	clients   = 64
)

var (
	room  = flag.Int("room", 1500, "room of the queue, or of those of all clients")
	fixed = flag.Bool("fixed", false, "all is received")
)

type job struct {
	name string
	data []byte
}

func newJob() *job {
	return &job{"job", bytes.Repeat([]byte("data"), payload/4)}
}

type hub struct {
	sync.Mutex
	clients map[int]chan *job
}

var (
	jobs chan *job
	all  = hub{clients: map[int]chan *job{}}
	done sync.WaitGroup
	roll truth.Roll
)

func main() {
	p := truth.Start(0)
	shape := flag.Arg(0)
	queued := 0
	switch shape {
	case "slow":
		queued = slow()
	case "gone":
		queued = gone()
	case "many":
		queued = many()
	default:
		p.Fail("no such shape: " + shape)
	}
	if *fixed {
		done.Wait()
		queued = 0
	}
	runtime.GC()
	runtime.GC()
	p.Truth("queued", queued, "bytes", queued*payload, "producers", producers, "clients", clients)
	p.Serve()
	runtime.KeepAlive(jobs)
}

// slow fills the queue, and has producers that wait for room.
func slow() int {
	jobs = make(chan *job, *room)
	first := make(chan struct{})
	go work(jobs, first)
	send(jobs, 1)
	<-first
	send(jobs, *room)
	if *fixed {
		return 0
	}
	roll.Expect("stuck", "main.produce", producers)
	for i := 0; i < producers; i++ {
		go produce(jobs)
	}
	roll.Settle()
	return *room
}

//go:noinline
func work(jobs chan *job, first chan struct{}) {
	started := false
	for j := range jobs {
		if !started {
			started = true
			close(first)
		}
		if !*fixed {
			time.Sleep(time.Hour)
		}
		finish(j)
	}
}

// finish is the work itself.
func finish(j *job) {
	j.data = nil
	if *fixed {
		done.Done()
	}
}

//go:noinline
func produce(jobs chan *job) {
	j := newJob()
	roll.Here()
	jobs <- j
	roll.Ran()
}

// gone fills half of the queue, whose worker returns after its first job.
func gone() int {
	jobs = make(chan *job, 2**room)
	first := make(chan struct{})
	if *fixed {
		go work(jobs, first)
	} else {
		go workOnce(jobs, first)
	}
	send(jobs, 1)
	<-first
	send(jobs, *room)
	return *room
}

func workOnce(jobs chan *job, first chan struct{}) {
	finish(<-jobs)
	close(first)
}

// many gives each client a queue of its own.
func many() int {
	each := *room / clients
	for i := 0; i < clients; i++ {
		queue := make(chan *job, each+1)
		all.Lock()
		all.clients[i] = queue
		all.Unlock()
		first := make(chan struct{})
		go serve(queue, first)
		send(queue, 1)
		<-first
		send(queue, each)
	}
	return clients * each
}

//go:noinline
func serve(queue chan *job, first chan struct{}) {
	work(queue, first)
}

func send(jobs chan *job, count int) {
	for i := 0; i < count; i++ {
		if *fixed {
			done.Add(1)
		}
		jobs <- newJob()
	}
}
