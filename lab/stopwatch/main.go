// Stopwatch runs a command and says as JSON what it took and what it wrote: wall time, CPU time of
// it and its children, the most that one of them had resident. Its own status is 0 if it ran.
//
// The command ends when the stopwatch does. Source: wait4(2), prctl(2).
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

type taken struct {
	WallNs      int64  `json:"wall_ns"`
	CPUNs       int64  `json:"cpu_ns"`
	RSSBytesMax int64  `json:"rss_bytes_max"`
	Status      int    `json:"status"`
	Stdout      string `json:"stdout"`
	Stderr      string `json:"stderr"`
}

func init() {
	const prSetPdeathsig = 1
	if os.Getenv("LETGO_PATIENT_TETHER") != "" {
		syscall.RawSyscall(syscall.SYS_PRCTL, prSetPdeathsig, uintptr(syscall.SIGKILL), 0)
	}
}

func main() {
	// The command is tied to the thread that starts it.
	runtime.LockOSThread()
	if len(os.Args) < 2 {
		fail("usage: stopwatch COMMAND [ARGUMENT...]")
	}
	var stdout, stderr bytes.Buffer
	command := exec.Command(os.Args[1], os.Args[2:]...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := command.Run(); command.ProcessState == nil {
		fail(err.Error())
	}
	wall := time.Since(began)
	state := command.ProcessState
	usage := state.SysUsage().(*syscall.Rusage)
	json.NewEncoder(os.Stdout).Encode(taken{
		WallNs:      int64(wall),
		CPUNs:       int64(state.UserTime() + state.SystemTime()),
		RSSBytesMax: usage.Maxrss << 10,
		Status:      state.ExitCode(),
		Stdout:      stdout.String(),
		Stderr:      stderr.String(),
	})
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "stopwatch:", why)
	os.Exit(1)
}
