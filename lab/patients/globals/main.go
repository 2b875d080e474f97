// Globals has package-level variables of many kinds, filled in many ways. It is read as a file and
// need not run: what its code says of its variables is compared with what DWARF says of them.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

type node struct {
	next *node
	name string
}

type session struct {
	id    int
	nodes []*node
	attrs map[string]string
}

type store struct {
	mu       sync.Mutex
	sessions map[string]*session
	order    []*session
	last     *session
	work     chan *session
	hook     func(*session)
	out      io.Writer
	label    string
}

type shape interface{ area() int }

type square struct{ side int }

func (s *square) area() int { return s.side * s.side }

type circle struct{ r, x, y int }

func (c *circle) area() int { return 3 * c.r * c.r }

type base struct{ weight *node }

type derived struct {
	base
	more [4]*node
}

type names []string

// Filled by append.
var (
	appended  []*node
	structs   []session
	texts     names
	nested    [][]*node
	rawBytes  []byte
	moreWords []uint64
	several   []*node
)

// Made.
var (
	made     []*session
	madeMap  = make(map[int]*node, 100)
	literal  = map[string]int{"a": 1, "b": 2}
	small    map[string]*node
	emptyMap = map[string]*session{}
	big      map[[4]int]session
	queue    = make(chan *session, 10)
	signal   chan struct{}
	constant = []*node{{name: "one"}, {name: "two"}}
	grownLit = []string{"x", "y"}
)

// Pointers.
var (
	head    *node
	single  *session
	whole   *store
	array   *[100]*node
	counter *int
	text    *string
	table   *map[string]int
	inner   *base
	static  = &node{name: "static"}
	current atomic.Pointer[session]
	raw     unsafe.Pointer
	buffer  *bytes.Buffer
)

// Functions and interfaces.
var (
	closure  func() int
	plain    func(string) int
	anything any
	shapes   shape
	either   shape
	failed   error
	writer   io.Writer
	errGone  = errors.New("gone")
	errMore  = fmt.Errorf("more: %w", errGone)
)

// Values with pointers inside.
var (
	state  store
	value  session
	pair   [2]*node
	joined string
	quoted string
	once   sync.Once
	pool   = sync.Pool{New: func() any { return new(session) }}
	known  sync.Map
)

func init() {
	small = map[string]*node{}
	signal = make(chan struct{})
	writer = os.Stderr
	state.sessions = make(map[string]*session)
}

//go:noinline
func fresh(name string) *node { return &node{name: name} }

//go:noinline
func open(id int) (*session, error) {
	if id < 0 {
		return nil, errGone
	}
	return &session{id: id}, nil
}

//go:noinline
func table2() map[string]*node { return make(map[string]*node) }

//go:noinline
func appends(n int) {
	for i := 0; i < n; i++ {
		appended = append(appended, fresh(strconv.Itoa(i)))
		structs = append(structs, session{id: i})
		texts = append(texts, strconv.Itoa(i))
		nested = append(nested, appended[:i])
		rawBytes = append(rawBytes, byte(i))
		moreWords = append(moreWords, uint64(i))
	}
	several = append(several, appended...)
	grownLit = append(grownLit, "z")
}

//go:noinline
func makes(n int) {
	made = make([]*session, n)
	for i := range made {
		made[i], _ = open(i)
	}
	madeMap[n] = fresh("made")
	literal["c"] = n
	small["s"] = fresh("small")
	emptyMap[strconv.Itoa(n)] = made[0]
	big = make(map[[4]int]session)
	big[[4]int{n}] = session{id: n}
	queue <- made[0]
}

//go:noinline
func points(n int) {
	for i := 0; i < n; i++ {
		head = &node{next: head}
	}
	single, _ = open(n)
	whole = &store{label: "whole"}
	whole.last = single
	array = new([100]*node)
	array[3] = head
	counter = new(int)
	*counter = n
	s := strconv.Itoa(n)
	text = &s
	m := map[string]int{}
	table = &m
	d := &derived{}
	d.weight = head
	inner = &d.base
	current.Store(&session{id: n})
	raw = unsafe.Pointer(head)
	buffer = bytes.NewBufferString(s)
	_ = static.name
}

//go:noinline
func calls(n int) {
	closure = func() int { return n + len(appended) }
	plain = func(s string) int { return len(s) }
	anything = n
	if n > 2 {
		anything = &session{id: n}
	}
	shapes = &square{n}
	if n&1 == 0 {
		either = &square{n}
	} else {
		either = &circle{r: n}
	}
	_, failed = open(-n)
	if buffer != nil {
		writer = buffer
	}
}

//go:noinline
func (s *store) put(id string, one *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[id] = one
	s.order = append(s.order, one)
	s.last = one
}

//go:noinline
func values(n int) {
	state.put("a", single)
	state.order = append(state.order, single)
	state.last = &session{id: n}
	state.work = make(chan *session)
	state.hook = func(s *session) { s.id = n }
	state.out = os.Stdout
	state.sessions["b"] = single
	value = session{id: n, nodes: appended, attrs: map[string]string{"n": "m"}}
	pair[1] = fresh("pair")
	joined = strings.Repeat("ab", n) + texts[0]
	quoted = string(rawBytes)
	once.Do(func() { known.Store(n, fresh("known")) })
	pool.Put(pool.Get())
}

func main() {
	n := len(os.Args) + 3
	appends(n)
	makes(n)
	points(n)
	calls(n)
	values(n)
	grow(n)
	small = table2()
	close(signal)
	fmt.Println(len(appended), head, single, whole, array[0], *counter, *text, *table, inner, static,
		current.Load(), raw, buffer, closure(), plain("x"), anything, shapes.area(), either.area(),
		failed, errMore, value, pair, joined, quoted, constant, grownLit, several, nested, texts)
	fmt.Fprintln(writer, state.label)
}
