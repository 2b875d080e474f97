// Grpcserver is a gRPC server on loopback that asks itself -requests times. Each call has 2 MiB that
// hang on its context, and an argument says what becomes of it:
//
//	refresh  leaves a goroutine that keeps the context and looks at it now and then
//	slow     is still being answered, helped by a goroutine of its own: nothing is wrong
//
// With -fixed the goroutines of refresh end with their call. With -deadline calls have one.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"letgo.lab/truth"
)

const large = 2 << 20

var (
	requests = flag.Int("requests", 40, "calls")
	fixed    = flag.Bool("fixed", false, "goroutines end with their call")
	deadline = flag.Bool("deadline", false, "calls have a deadline")
	workers  = flag.Int("workers", 0, "goroutines of the server that take calls, 0 for one a call")
	living   atomic.Int64
	begun    = make(chan struct{}, 1<<16)
)

// plain takes messages as they are.
type plain struct{}

func (plain) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (plain) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (plain) Name() string                       { return "plain" }

type dataKey struct{}

func withData(ctx context.Context) context.Context {
	data := bytes.Repeat([]byte("data"), large/4)
	return context.WithValue(ctx, dataKey{}, &data)
}

//go:noinline
func refresh(ctx context.Context) {
	defer living.Add(-1)
	for ctx.Value(dataKey{}) != nil {
		if *fixed {
			<-ctx.Done()
			return
		}
		time.Sleep(time.Hour)
	}
}

//go:noinline
func help(ctx context.Context, done chan struct{}) {
	<-ctx.Done()
	if ctx.Value(dataKey{}) != nil {
		close(done)
	}
}

func startRefresh(ctx context.Context) {
	living.Add(1)
	go refresh(withData(ctx))
}

func slow(ctx context.Context) {
	done := make(chan struct{})
	go help(withData(ctx), done)
	begun <- struct{}{}
	<-done
}

func method(name string, work func(context.Context)) grpc.MethodDesc {
	handle := func(_ any, ctx context.Context, take func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in []byte
		if err := take(&in); err != nil {
			return nil, err
		}
		work(ctx)
		return &in, nil
	}
	return grpc.MethodDesc{MethodName: name, Handler: handle}
}

var service = grpc.ServiceDesc{
	ServiceName: "letgo.Lab",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{method("refresh", startRefresh), method("slow", slow)},
}

func main() {
	p := truth.Start(0)
	name := flag.Arg(0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.Fail(err.Error())
	}
	server := grpc.NewServer(grpc.ForceServerCodec(plain{}), grpc.NumStreamWorkers(uint32(*workers)))
	server.RegisterService(&service, struct{}{})
	go server.Serve(listener)
	client, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(plain{})))
	if err != nil {
		p.Fail(err.Error())
	}
	ask := func() {
		ctx := context.Background()
		if *deadline {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Hour)
			defer cancel()
		}
		in, out := []byte("hello"), []byte(nil)
		if err := client.Invoke(ctx, "/letgo.Lab/"+name, &in, &out); err != nil {
			p.Fail(fmt.Sprint(name, ": ", err))
		}
	}
	for i := 0; i < *requests; i++ {
		if name == "slow" {
			go ask()
			<-begun
		} else {
			ask()
		}
	}
	for *fixed && living.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	p.Truth("requests", *requests, "living", living.Load())
	p.Serve()
}
