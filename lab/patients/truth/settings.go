package truth

import (
	"runtime/debug"
	"runtime/metrics"
	"strconv"
)

var (
	percents  = []int{25, 50, 100, 200, 400}
	limitsMiB = []int{300, 600, 1200}
)

const noLimit = 1<<63 - 1

// Settings adds the commands of a shape whose GOGC and memory limit are looked at or changed:
//
//	gogc50, gogcoff, ...     debug.SetGCPercent
//	limit300, limitoff, ...  debug.SetMemoryLimit, in MiB
//	gcpercent                what both are now, without setting them
func (p *Patient) Settings() {
	for _, percent := range percents {
		percent := percent
		p.On("gogc"+strconv.Itoa(percent), func() { debug.SetGCPercent(percent) })
	}
	for _, mib := range limitsMiB {
		mib := mib
		p.On("limit"+strconv.Itoa(mib), func() { debug.SetMemoryLimit(int64(mib) << 20) })
	}
	p.On("gogcoff", func() { debug.SetGCPercent(-1) })
	p.On("limitoff", func() { debug.SetMemoryLimit(noLimit) })
	p.On("gcpercent", p.printSettings)
}

// printSettings reads what the runtime holds: a number, off or none, and unknown before Go 1.21.
func (p *Patient) printSettings() {
	percent := setting("/gc/gogc:percent", 1<<64-1, "off")
	limit := setting("/gc/gomemlimit:bytes", noLimit, "none")
	p.Truth("gogc", percent, "limit", limit)
}

func setting(name string, without uint64, word string) string {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return "unknown"
	}
	value := sample[0].Value.Uint64()
	if value == without {
		return word
	}
	return strconv.FormatUint(value, 10)
}
