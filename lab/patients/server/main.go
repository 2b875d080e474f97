// Server is a JSON cache over HTTP on loopback, of the standard library alone: what is governed
// while requests come in.
//
//	GET /write           replaces five retained records by JSON, and leaves garbage with pointers
//	GET /burst?mib=600   holds so much at once and drops it before it answers
//	GET /free            debug.FreeOSMemory
//	GET /stats           the counts, as JSON
//
// Each record carries a sum of its own contents, which is checked when it is replaced: memory that
// was given back too early shows as a corrupt record. Commands: stats, and those of the settings.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"letgo.lab/truth"
)

const (
	shards    = 64
	writes    = 5
	garbage   = 120 << 10
	mostBurst = 8 << 10
)

type record struct {
	Key  string            `json:"key"`
	Text string            `json:"text"`
	Tags map[string]string `json:"tags"`
	Sum  uint32            `json:"sum"`
	next *record
}

type shard struct {
	sync.Mutex
	records map[string]*record
}

// cache never grows: a request replaces what is there.
type cache struct {
	shards  [shards]shard
	records uint64
	next    uint64
}

// counts are read while requests run.
type counts struct {
	requests, failed, corrupt, bursts uint64
}

var seen counts

func main() {
	records := flag.Int("records", 150_000, "records that are retained")
	p := truth.Start(0)
	if *records < 1 {
		p.Fail("a cache has records")
	}
	c := filled(uint64(*records))
	runtime.GC()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fail(err.Error())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/write", counted(c.write))
	mux.HandleFunc("/burst", counted(burst))
	mux.HandleFunc("/free", counted(free))
	mux.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(seen.now(c))
	})
	go http.Serve(listener, mux)
	p.Settings()
	p.On("stats", func() {
		now := seen.now(c)
		p.Truth("requests", now["requests"], "failed", now["failed"], "corrupt", now["corrupt"],
			"bursts", now["bursts"], "records", now["records"])
	})
	p.Truth("port", listener.Addr().(*net.TCPAddr).Port, "records", *records)
	p.Serve()
}

func (s *counts) now(c *cache) map[string]uint64 {
	return map[string]uint64{
		"requests": atomic.LoadUint64(&s.requests),
		"failed":   atomic.LoadUint64(&s.failed),
		"corrupt":  atomic.LoadUint64(&s.corrupt),
		"bursts":   atomic.LoadUint64(&s.bursts),
		"records":  c.size(),
	}
}

// counted counts a request, and its failure where it has none or half an answer.
func counted(answer func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		atomic.AddUint64(&seen.requests, 1)
		if err := answer(w, r); err != nil {
			atomic.AddUint64(&seen.failed, 1)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func filled(records uint64) *cache {
	c := &cache{records: records}
	for i := range c.shards {
		c.shards[i].records = map[string]*record{}
	}
	for i := uint64(0); i < records; i++ {
		fresh := newRecord(i)
		c.of(fresh.Key).records[fresh.Key] = fresh
	}
	return c
}

func newRecord(number uint64) *record {
	name := strconv.FormatUint(number, 10)
	fresh := &record{
		Key:  "record-" + name,
		Text: strings.Repeat(name+" ", 300/(len(name)+1)),
		Tags: map[string]string{"number": name},
	}
	fresh.Sum = fresh.sum()
	return fresh
}

func (r *record) sum() uint32 {
	hash := fnv.New32a()
	for _, part := range []string{r.Key, r.Text, r.Tags["number"]} {
		hash.Write([]byte(part))
	}
	return hash.Sum32()
}

func (c *cache) of(key string) *shard {
	hash := fnv.New32a()
	hash.Write([]byte(key))
	return &c.shards[hash.Sum32()%shards]
}

func (c *cache) size() (records uint64) {
	for i := range c.shards {
		c.shards[i].Lock()
		records += uint64(len(c.shards[i].records))
		c.shards[i].Unlock()
	}
	return records
}

// write renders five records, reads them back as a client's would be, and replaces the retained.
func (c *cache) write(w http.ResponseWriter, _ *http.Request) error {
	var fresh []*record
	for i := 0; i < writes; i++ {
		// Far apart, so that old and young records mix.
		number := atomic.AddUint64(&c.next, 1) * 7919 % c.records
		fresh = append(fresh, newRecord(number))
	}
	text, err := json.Marshal(fresh)
	if err != nil {
		return err
	}
	var read []*record
	if err := json.Unmarshal(text, &read); err != nil {
		return err
	}
	for _, one := range read {
		if err := c.replace(one); err != nil {
			return err
		}
	}
	runtime.KeepAlive(litter())
	_, err = w.Write(text)
	return err
}

func (c *cache) replace(one *record) error {
	at := c.of(one.Key)
	at.Lock()
	old := at.records[one.Key]
	at.records[one.Key] = one
	at.Unlock()
	if old == nil || old.Key != one.Key || old.Sum != old.sum() {
		atomic.AddUint64(&seen.corrupt, 1)
		return fmt.Errorf("the record %q was not what it should be", one.Key)
	}
	return nil
}

// litter is a list that nobody keeps.
func litter() (head *record) {
	for bytes := 0; bytes < garbage; bytes += 512 {
		head = &record{Text: string(make([]byte, 400)), next: head}
	}
	return head
}

func burst(w http.ResponseWriter, r *http.Request) error {
	mib, err := strconv.Atoi(r.URL.Query().Get("mib"))
	if err != nil || mib < 0 || mib > mostBurst {
		return fmt.Errorf("mib is a number up to %d", mostBurst)
	}
	random := rand.New(rand.NewSource(1))
	var held []*[]byte
	bytes := 0
	for bytes < mib<<20 {
		value := make([]byte, 256+random.Intn(7<<10-256))
		for i := 0; i < len(value); i += 512 {
			value[i] = 1
		}
		held = append(held, &value)
		bytes += len(value)
	}
	runtime.KeepAlive(held)
	atomic.AddUint64(&seen.bursts, 1)
	fmt.Fprintln(w, bytes)
	return nil
}

func free(w http.ResponseWriter, _ *http.Request) error {
	debug.FreeOSMemory()
	fmt.Fprintln(w, "done")
	return nil
}
