package main

import (
	"math"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func outcomesOf(micros []int64) []outcome {
	all := make([]outcome, 0, len(micros))
	for _, one := range micros {
		all = append(all, outcome{took: time.Duration(one) * time.Microsecond, ok: true})
	}
	return all
}

func TestPercentilesOfACountAreExact(t *testing.T) {
	micros := make([]int64, 1000)
	for i, place := range rand.New(rand.NewSource(1)).Perm(1000) {
		micros[place] = int64(i + 1)
	}
	f := figuresOf(outcomesOf(micros))
	for _, pair := range [][2]int64{
		{f.P50, 500}, {f.P90, 900}, {f.P99, 990}, {f.P999, 999}, {f.Max, 1000},
	} {
		if pair[0] != pair[1] {
			t.Errorf("got %d, not %d: %+v", pair[0], pair[1], f)
		}
	}
}

// The quantile of an exponential distribution is -mean ln(1-p).
func TestPercentilesFollowAKnownDistribution(t *testing.T) {
	const mean = 10_000
	r := rand.New(rand.NewSource(1))
	micros := make([]int64, 1_000_000)
	for i := range micros {
		micros[i] = int64(r.ExpFloat64() * mean)
	}
	f := figuresOf(outcomesOf(micros))
	for _, pair := range []struct {
		got     int64
		percent float64
	}{{f.P50, 0.5}, {f.P90, 0.9}, {f.P99, 0.99}, {f.P999, 0.999}} {
		want := -mean * math.Log(1-pair.percent)
		if math.Abs(float64(pair.got)-want) > want/50 {
			t.Errorf("%v: got %d, the distribution has %.0f", pair.percent, pair.got, want)
		}
	}
}

func TestFewRequestsHaveTheirGreatestAsPercentile(t *testing.T) {
	f := figuresOf(outcomesOf([]int64{3, 1, 2}))
	if f.P50 != 2 || f.P99 != 3 || f.P999 != 3 || f.Max != 3 {
		t.Errorf("%+v", f)
	}
	if none := figuresOf(nil); none.Sent != 0 || none.Max != 0 {
		t.Errorf("%+v", none)
	}
}

func TestTheHistogramHoldsEachRequestOnce(t *testing.T) {
	f := figuresOf(outcomesOf([]int64{0, 1, 3, 4, 7, 8, 8}))
	want := buckets{{1, 1}, {2, 1}, {4, 1}, {8, 2}, {16, 2}}
	if len(f.Buckets) != len(want) {
		t.Fatalf("%+v", f.Buckets)
	}
	for i := range want {
		if f.Buckets[i] != want[i] {
			t.Errorf("%+v, not %+v", f.Buckets[i], want[i])
		}
	}
}

// stalling is a clock that jumps once, as where this program does not get to run.
type stalling struct {
	at   time.Time
	jump time.Duration
}

func (s *stalling) now() time.Time { return s.at }

func (s *stalling) sleep(wait time.Duration) {
	s.at = s.at.Add(wait + s.jump)
	s.jump = 0
}

func TestWhatBecameDueInAStallIsSentAtOnceAndCountsFromWhenItWasDue(t *testing.T) {
	c := &stalling{at: time.Unix(1, 0), jump: 50 * time.Millisecond}
	start := c.at
	var late []time.Duration
	sent := schedule{rate: 1000, count: 100}.run(c, nil, func(i int, due time.Time) {
		if want := start.Add(time.Duration(i) * time.Millisecond); !due.Equal(want) {
			t.Errorf("request %d is due %v after %v", i, due.Sub(start), want.Sub(start))
		}
		late = append(late, c.at.Sub(due))
	})
	if sent != 100 || late[0] != 0 || late[1] != 50*time.Millisecond ||
		late[26] != 25*time.Millisecond || late[51] != 0 || late[99] != 0 {
		t.Errorf("%d sent, late by %v", sent, late)
	}
}

func TestStopsWhenTold(t *testing.T) {
	stop := make(chan os.Signal, 1)
	c := &stalling{at: time.Unix(1, 0)}
	sent := schedule{rate: 1000, count: 100}.run(c, stop, func(i int, _ time.Time) {
		if i == 9 {
			stop <- os.Interrupt
		}
	})
	if sent != 10 {
		t.Errorf("%d were sent", sent)
	}
}

func TestARefusedRequestIsAFailedOne(t *testing.T) {
	calls := make(chan bool, 4)
	for _, ok := range []bool{true, false, true, true} {
		calls <- ok
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !<-calls {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	f := figuresOf(newClient(server.URL, time.Minute).run(schedule{1_000_000, 4}, nil))
	if f.Sent != 4 || f.OK != 3 || f.Failed != 1 {
		t.Errorf("%+v", f)
	}
}
