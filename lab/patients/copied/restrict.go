package main

import (
	"syscall"
	"unsafe"

	"letgo.lab/truth"
)

// restrict takes rights away from this process.
func restrict(p *truth.Patient) {
	if *filter {
		forbidForks(p)
	}
}

// forbidForks makes the kernel kill this process for a clone without CLONE_VM.
func forbidForks(p *truth.Patient) {
	type instruction struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	const (
		load, equal, and, ret = 0x20, 0x15, 0x54, 0x06
		number, arg0          = 0, 16
		cloneVM               = 0x100
		allow, killProcess    = 0x7fff0000, 0x80000000
		prSetNoNewPrivs       = 38
		sysSeccomp            = 317
		setModeFilter, tsync  = 1, 1
	)
	program := []instruction{
		{load, 0, 0, number},
		{equal, 0, 4, syscall.SYS_CLONE},
		{load, 0, 0, arg0},
		{and, 0, 0, cloneVM},
		{equal, 0, 1, 0},
		{ret, 0, 0, killProcess},
		{ret, 0, 0, allow},
	}
	header := struct {
		count   uint16
		program *instruction
	}{uint16(len(program)), &program[0]}
	if _, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, prSetNoNewPrivs, 1, 0); err != 0 {
		p.Fail(err.Error())
	}
	at := uintptr(unsafe.Pointer(&header))
	if r, _, err := syscall.RawSyscall(sysSeccomp, setModeFilter, tsync, at); err != 0 || r != 0 {
		p.Fail("seccomp")
	}
}
