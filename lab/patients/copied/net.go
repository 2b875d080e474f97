package main

import (
	"io"
	"net"
	"os"
	"syscall"

	"letgo.lab/truth"
)

// port is where connections are taken for the commands.
var port int

// echo sends over a connection to itself, and opens a new one for each hundred.
func echo() {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		failed.Add(1)
		return
	}
	go func() {
		for {
			conn, err := server.Accept()
			if err != nil {
				failed.Add(1)
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	for {
		if conn, err := net.Dial("tcp", server.Addr().String()); err != nil {
			failed.Add(1)
		} else {
			exchange(conn)
			conn.Close()
		}
	}
}

func exchange(conn net.Conn) {
	sent, got := make([]byte, 512), make([]byte, 512)
	for round := 0; round < 100; round++ {
		for i := range sent {
			sent[i] = byte(round + i)
		}
		if _, err := conn.Write(sent); err != nil {
			failed.Add(1)
			return
		}
		if _, err := io.ReadFull(conn, got); err != nil {
			failed.Add(1)
			return
		}
		if string(got) != string(sent) {
			corrupt.Add(1)
		}
		echoes.Add(1)
	}
}

// listen takes one connection at a time; `hangup` closes it. `lock` locks a file, `unlock` closes
// it, by which its lock goes.
func listen(p *truth.Patient) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fail(err.Error())
	}
	port = server.Addr().(*net.TCPAddr).Port
	conns := make(chan net.Conn, 1)
	p.On("accept", func() {
		conn, err := server.Accept()
		if err != nil {
			p.Fail(err.Error())
		}
		conns <- conn
	})
	p.On("hangup", func() { (<-conns).Close() })
	var file *os.File
	p.On("lock", func() {
		file, err = os.OpenFile(os.Getenv("LETGO_LOCK_FILE"), os.O_RDWR|os.O_CREATE, 0o600)
		if err == nil {
			err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
		}
		if err != nil {
			p.Fail(err.Error())
		}
	})
	p.On("unlock", func() { file.Close() })
}
