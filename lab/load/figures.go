package main

import (
	"math"
	"math/bits"
	"sort"
)

// figures sums up outcomes; times in microseconds. A failed request counts until it failed.
type figures struct {
	Sent   int `json:"sent"`
	OK     int `json:"ok"`
	Failed int `json:"failed"`
	// LateP99 is of this program: requests could not be sent when they were due.
	LateP99 int64   `json:"late_p99_us"`
	P50     int64   `json:"p50_us"`
	P90     int64   `json:"p90_us"`
	P99     int64   `json:"p99_us"`
	P999    int64   `json:"p999_us"`
	Max     int64   `json:"max_us"`
	Buckets buckets `json:"histogram"`
}

// buckets counts, for each power of two, the requests that took less than that and no less than
// half of it.
type buckets []bucket

type bucket struct {
	Below int64 `json:"below_us"`
	Count int   `json:"count"`
}

func figuresOf(outcomes []outcome) figures {
	f := figures{Sent: len(outcomes)}
	took := make([]int64, 0, len(outcomes))
	late := make([]int64, 0, len(outcomes))
	for _, one := range outcomes {
		if one.ok {
			f.OK++
		} else {
			f.Failed++
		}
		took = append(took, one.took.Microseconds())
		late = append(late, one.late.Microseconds())
	}
	sortInts(took)
	sortInts(late)
	f.LateP99 = percentile(late, 99)
	f.P50 = percentile(took, 50)
	f.P90 = percentile(took, 90)
	f.P99 = percentile(took, 99)
	f.P999 = percentile(took, 99.9)
	f.Max = percentile(took, 100)
	f.Buckets = bucketsOf(took)
	return f
}

// percentile is the least value that so many percent of all are not above (nearest rank).
func percentile(sorted []int64, percent float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	// Rounded first: 99.9 % of 1000 is 999, and not what a float makes of it.
	rank := int(math.Ceil(math.Round(percent*float64(len(sorted))*1000) / 100_000))
	if rank < 1 {
		rank = 1
	}
	return sorted[rank-1]
}

func bucketsOf(sorted []int64) (all buckets) {
	for _, value := range sorted {
		below := int64(1) << bits.Len64(uint64(value))
		if len(all) == 0 || all[len(all)-1].Below != below {
			all = append(all, bucket{Below: below})
		}
		all[len(all)-1].Count++
	}
	return all
}

func sortInts(values []int64) {
	sort.Slice(values, func(i, j int) bool { return values[i] < values[j] })
}
