package interest

import (
	"math"
	"sync/atomic"

	"github.com/troupe-go/troupe/wire"
)

// Point is a place in the world, in metres from its corner.
type Point struct{ X, Y float64 }

// Add returns p moved by d metres toward heading, in radians.
func (p Point) Add(d, heading float64) Point {
	sin, cos := math.Sincos(heading)
	return Point{p.X + d*cos, p.Y + d*sin}
}

// Distance is the distance from p to q.
func (p Point) Distance(q Point) float64 { return math.Sqrt(p.square(q)) }

// Heading is the direction from p to q.
func (p Point) Heading(q Point) float64 { return math.Atan2(q.Y-p.Y, q.X-p.X) }

// square is the square of the distance.
func (p Point) square(q Point) float64 {
	x, y := q.X-p.X, q.Y-p.Y
	return x*x + y*y
}

// Sighting is an item where it was at some moment, and what it was like. T is
// the application's, and not changed once it has been published.
type Sighting[T any] struct {
	ID   wire.ID
	At   Point
	Item T
}

// Grid is a world's floor, cut into squares. Its methods may be called from any
// goroutine.
type Grid[T any] struct {
	side       float64
	cols, rows int
	squares    []atomic.Pointer[list[T]]
}

// list is what was on a square at a tick.
type list[T any] struct {
	tick  uint64
	items []Sighting[T]
}

// NewGrid makes a floor of at least this width and height, of squares whose
// sides have this length. It panics unless all are positive.
func NewGrid[T any](width, height, side float64) *Grid[T] {
	if !(width > 0 && height > 0 && side > 0) {
		panic("interest: a grid needs a positive width, height and side")
	}
	g := &Grid[T]{side: side, cols: int(math.Ceil(width / side)), rows: int(math.Ceil(height / side))}
	g.squares = make([]atomic.Pointer[list[T]], g.cols*g.rows)
	for i := range g.squares {
		g.squares[i].Store(&list[T]{})
	}
	return g
}

// Len is the number of squares.
func (g *Grid[T]) Len() int { return len(g.squares) }

// Square is the one that p is on, or the nearest to it.
func (g *Grid[T]) Square(p Point) int {
	return g.row(p.Y)*g.cols + g.col(p.X)
}

// Corners are the ends of a square with the least and the largest coordinates.
// What lies on the latter is another square's.
func (g *Grid[T]) Corners(square int) (least, largest Point) {
	col, row := float64(square%g.cols), float64(square/g.cols)
	return Point{col * g.side, row * g.side}, Point{(col + 1) * g.side, (row + 1) * g.side}
}

func (g *Grid[T]) col(x float64) int { return clamp(x/g.side, g.cols) }
func (g *Grid[T]) row(y float64) int { return clamp(y/g.side, g.rows) }

// clamp is x's place among n.
func clamp(x float64, n int) int { return int(min(max(x, 0), float64(n-1))) }

// Publish says what is on a square. tick says when it was so, by whatever the
// application counts. The items are the grid's from now on. An item that leaves a
// square belongs in one list until it is in the other's.
func (g *Grid[T]) Publish(square int, tick uint64, items []Sighting[T]) {
	g.squares[square].Store(&list[T]{tick, items})
}

// Published is what was published last. It must not be changed.
func (g *Grid[T]) Published(square int) (tick uint64, items []Sighting[T]) {
	l := g.squares[square].Load()
	return l.tick, l.items
}

// reach reports whether any of a square lies within r of p.
func (g *Grid[T]) reach(col, row int, p Point, r float64) bool {
	x := max(float64(col)*g.side-p.X, 0, p.X-float64(col+1)*g.side)
	y := max(float64(row)*g.side-p.Y, 0, p.Y-float64(row+1)*g.side)
	return x*x+y*y <= r*r
}

// around calls do for the lists of the squares that lie within r of p, until it
// returns false.
func (g *Grid[T]) around(p Point, r float64, do func(*list[T]) bool) {
	left, right := g.col(p.X-r), g.col(p.X+r)
	for row, last := g.row(p.Y-r), g.row(p.Y+r); row <= last; row++ {
		for col := left; col <= right; col++ {
			if g.reach(col, row, p, r) && !do(g.squares[row*g.cols+col].Load()) {
				return
			}
		}
	}
}
