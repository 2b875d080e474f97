//go:build go1.21

package main

import (
	"context"
	"net/http"
)

// detached leaves a goroutine that keeps the values of its request, and says so: nothing is wrong.
func init() {
	named["detached"] = shape{"either", startDetached, post, nil}
}

func startDetached(w http.ResponseWriter, r *http.Request) {
	go refresh(context.WithoutCancel(withData(r.Context())))
	w.WriteHeader(http.StatusAccepted)
}
