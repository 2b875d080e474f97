package truth

import (
	"bufio"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// longestLine is room for as many words as a shape has goroutines.
const longestLine = 1 << 20

// Patient is this process, once its flags are read.
type Patient struct {
	commands map[string]func(words []string)
}

var (
	minutes = flag.Int("minutes", 10, "exit after so many minutes in any case")
	clock   = flag.Bool("clock", false, "note when this process stood still: commands calm and gaps")
	// MiB is the size that most shapes scale with.
	MiB = flag.Int("mib", 0, "size of the shape in MiB (0: the shape's own default)")
)

func init() {
	const prSetPdeathsig = 1
	if os.Getenv("LETGO_PATIENT_TETHER") != "" {
		syscall.RawSyscall(syscall.SYS_PRCTL, prSetPdeathsig, uintptr(syscall.SIGKILL), 0)
	}
}

// Start reads the flags and arms the exit after -minutes.
func Start(defaultMiB int) *Patient {
	flag.Parse()
	if *MiB == 0 {
		*MiB = defaultMiB
	}
	time.AfterFunc(time.Duration(*minutes)*time.Minute, func() { os.Exit(0) })
	p := &Patient{commands: map[string]func(words []string){}}
	p.On("memstats", printStats)
	p.On("stop", printStatsAndStop)
	p.On("gc", runtime.GC)
	p.On("free", debug.FreeOSMemory)
	p.On("exit", func() { os.Exit(0) })
	if *clock {
		p.noteGaps()
	}
	return p
}

// Bytes is the size of the shape in bytes.
func (p *Patient) Bytes() int {
	return *MiB << 20
}

// On adds a command of the shape's own.
func (p *Patient) On(word string, run func()) {
	p.commands[word] = func([]string) { run() }
}

// OnWords adds a command that takes the words behind it on its line.
func (p *Patient) OnWords(word string, run func(words []string)) {
	p.commands[word] = run
}

// Truth prints pairs of a key and a number, a bool or a string without spaces.
func (p *Patient) Truth(pairs ...any) {
	say("truth", pairs...)
}

// Fail says why the shape cannot be built here, and exits.
func (p *Patient) Fail(why string) {
	say("error", "why", strings.ReplaceAll(why, " ", "_"))
	os.Exit(2)
}

// Serve says ready and obeys commands until standard input ends.
func (p *Patient) Serve() {
	say("ready", "pid", os.Getpid(), "go", strings.ReplaceAll(runtime.Version(), " ", "_"))
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, longestLine)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if len(words) == 0 {
			continue
		}
		word := words[0]
		run, known := p.commands[word]
		if !known {
			say("error", "why", "unknown_command", "command", word)
			continue
		}
		run(words[1:])
		say("done", "command", word)
	}
}
