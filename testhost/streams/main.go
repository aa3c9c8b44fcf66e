// Speaks exec, attach and port-forward to a CRI runtime as kubectl does: with client-go's remotecommand and portforward.
//
//	streams [options] exec CONTAINER COMMAND…       run it; the exit code is the command's
//	streams [options] attach CONTAINER              attach to it
//	streams [options] transfer CONTAINER BYTES      through "cat" in the container, both ways at once; every byte is compared
//	streams [options] forward POD PORT BYTES        the same through a port of the pod where an echo server listens
//	streams [options] latency CONTAINER COUNT       "true", one after the other; prints the median in milliseconds
//	streams [options] probe CONTAINER COUNT         ExecSync of "true", one after the other; prints the median in milliseconds
//	streams [options] churn CONTAINER POD PORT COUNT sessions of every kind, opened and dropped at random, 50 at a time
//
// Results are printed as NAME=VALUE.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var (
	endpoint = flag.String("endpoint", "unix:///run/stagelet/stagelet.sock", "the runtime's socket")
	protocol = flag.String("protocol", "spdy", "spdy or websocket")
	stdin    = flag.Bool("stdin", false, "pass the standard input on")
	tty      = flag.Bool("tty", false, "with a terminal")
	size     = flag.String("size", "", "the terminal's size, such as 100x40")
)

func main() {
	flag.Parse()
	code, err := run(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "streams:", err)
		if code == 0 {
			code = 125
		}
	}
	os.Exit(code)
}

func run(arguments []string) (int, error) {
	if len(arguments) < 2 {
		return 2, errors.New("see the head of main.go for what it can do")
	}
	connection, err := grpc.NewClient(*endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	cri := runtimeapi.NewRuntimeServiceClient(connection)
	target := arguments[1]
	number := func(index int) int64 {
		if index >= len(arguments) {
			return 0
		}
		value, _ := strconv.ParseInt(arguments[index], 10, 64)
		return value
	}
	switch arguments[0] {
	case "exec":
		return session(execURL(cri, target, *stdin, *tty, arguments[2:]...))
	case "attach":
		return session(attachURL(cri, target, *stdin, *tty))
	case "transfer":
		return 0, transfer(cri, target, number(2))
	case "forward":
		return 0, forward(cri, target, int(number(2)), number(3))
	case "latency":
		return 0, latency(cri, target, int(number(2)))
	case "probe":
		return 0, probe(cri, target, int(number(2)))
	case "churn":
		if len(arguments) < 5 {
			return 2, errors.New("churn CONTAINER POD PORT COUNT")
		}
		return 0, churn(cri, target, arguments[2], int(number(3)), int(number(4)))
	}
	return 2, fmt.Errorf("there is no %s", arguments[0])
}

func execURL(cri runtimeapi.RuntimeServiceClient, container string, in, terminal bool, command ...string) (string, error) {
	response, err := cri.Exec(context.Background(), &runtimeapi.ExecRequest{
		ContainerId: container, Cmd: command, Stdin: in, Stdout: true, Stderr: !terminal, Tty: terminal,
	})
	return response.GetUrl(), err
}

func attachURL(cri runtimeapi.RuntimeServiceClient, container string, in, terminal bool) (string, error) {
	response, err := cri.Attach(context.Background(), &runtimeapi.AttachRequest{
		ContainerId: container, Stdin: in, Stdout: true, Stderr: !terminal, Tty: terminal,
	})
	return response.GetUrl(), err
}

func executor(address string) (remotecommand.Executor, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	config := &rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	if *protocol == "websocket" {
		return remotecommand.NewWebSocketExecutor(config, http.MethodGet, address)
	}
	return remotecommand.NewSPDYExecutor(config, http.MethodPost, parsed)
}

type sizes struct {
	once  sync.Once
	given *remotecommand.TerminalSize
}

func (s *sizes) Next() (next *remotecommand.TerminalSize) {
	s.once.Do(func() { next = s.given })
	return next
}

func session(address string, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	client, err := executor(address)
	if err != nil {
		return 0, err
	}
	options := remotecommand.StreamOptions{Stdout: os.Stdout, Tty: *tty}
	if !*tty {
		options.Stderr = os.Stderr
	}
	if *stdin {
		options.Stdin = os.Stdin
	}
	var columns, rows uint16
	if n, _ := fmt.Sscanf(*size, "%dx%d", &columns, &rows); n == 2 {
		options.TerminalSizeQueue = &sizes{given: &remotecommand.TerminalSize{Width: columns, Height: rows}}
	}
	err = client.StreamWithContext(context.Background(), options)
	var exit utilexec.CodeExitError
	if errors.As(err, &exit) {
		return exit.Code, nil
	}
	return 0, err
}

// pattern is a stream of bytes that is the same each time and repeats only after 8 MiB.
type pattern struct{ position, length int64 }

var block = func() []byte {
	bytes := make([]byte, 8<<20-7)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(bytes)
	return bytes
}()

func (p *pattern) Read(buffer []byte) (int, error) {
	if p.position == p.length {
		return 0, io.EOF
	}
	from := p.position % int64(len(block))
	count := copy(buffer, block[from:])
	if left := p.length - p.position; int64(count) > left {
		count = int(left)
	}
	p.position += int64(count)
	return count, nil
}

// compared checks what is written to it against the pattern.
type compared struct {
	position int64
	wrong    error
}

func (c *compared) Write(data []byte) (int, error) {
	for rest := data; len(rest) > 0 && c.wrong == nil; {
		from := c.position % int64(len(block))
		want := block[from:]
		if len(want) > len(rest) {
			want = want[:len(rest)]
		}
		if !bytes.Equal(want, rest[:len(want)]) {
			c.wrong = fmt.Errorf("what came back differs from what was sent after byte %d", c.position)
		}
		c.position += int64(len(want))
		rest = rest[len(want):]
	}
	return len(data), c.wrong
}

func (c *compared) check(length int64) error {
	if c.wrong == nil && c.position != length {
		c.wrong = fmt.Errorf("%d bytes came back of %d", c.position, length)
	}
	return c.wrong
}

func rate(name string, length int64, began time.Time) {
	fmt.Printf("%s=%.1f\n", name, float64(length)/1e6/time.Since(began).Seconds())
}

func transfer(cri runtimeapi.RuntimeServiceClient, container string, length int64) error {
	address, err := execURL(cri, container, true, false, "cat")
	if err != nil {
		return err
	}
	client, err := executor(address)
	if err != nil {
		return err
	}
	var result compared
	began := time.Now()
	if err := client.StreamWithContext(context.Background(), remotecommand.StreamOptions{
		Stdin: &pattern{length: length}, Stdout: &result, Stderr: os.Stderr,
	}); err != nil {
		return err
	}
	rate("exec_mb_per_second", length, began)
	return result.check(length)
}

// forwarded listens on a local port that leads to the pod's.
func forwarded(cri runtimeapi.RuntimeServiceClient, pod string, port int) (string, func(), error) {
	response, err := cri.PortForward(context.Background(), &runtimeapi.PortForwardRequest{PodSandboxId: pod, Port: []int32{int32(port)}})
	if err != nil {
		return "", nil, err
	}
	parsed, err := url.Parse(response.GetUrl())
	if err != nil {
		return "", nil, err
	}
	config := &rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	stop, ready := make(chan struct{}), make(chan struct{})
	var forwarder *portforward.PortForwarder
	ports := []string{fmt.Sprintf("0:%d", port)}
	if *protocol == "websocket" {
		tunnel, err := portforward.NewSPDYOverWebsocketDialer(parsed, config)
		if err != nil {
			return "", nil, err
		}
		forwarder, err = portforward.NewOnAddresses(tunnel, []string{"127.0.0.1"}, ports, stop, ready, io.Discard, os.Stderr)
		if err != nil {
			return "", nil, err
		}
	} else {
		transport, upgrader, err := spdy.RoundTripperFor(config)
		if err != nil {
			return "", nil, err
		}
		dial := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, parsed)
		forwarder, err = portforward.NewOnAddresses(dial, []string{"127.0.0.1"}, ports, stop, ready, io.Discard, os.Stderr)
		if err != nil {
			return "", nil, err
		}
	}
	failed := make(chan error, 1)
	go func() { failed <- forwarder.ForwardPorts() }()
	select {
	case err := <-failed:
		return "", nil, err
	case <-ready:
	}
	local, err := forwarder.GetPorts()
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("127.0.0.1:%d", local[0].Local), func() { close(stop) }, nil
}

func echo(address string, length int64) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(connection, &pattern{length: length})
		if err == nil {
			err = connection.(*net.TCPConn).CloseWrite()
		}
		sent <- err
	}()
	var result compared
	if _, err := io.Copy(&result, connection); err != nil {
		return err
	}
	if err := <-sent; err != nil {
		return err
	}
	return result.check(length)
}

func forward(cri runtimeapi.RuntimeServiceClient, pod string, port int, length int64) error {
	address, stop, err := forwarded(cri, pod, port)
	if err != nil {
		return err
	}
	defer stop()
	began := time.Now()
	if err := echo(address, length); err != nil {
		return err
	}
	rate("forward_mb_per_second", length, began)
	return nil
}

func latency(cri runtimeapi.RuntimeServiceClient, container string, count int) error {
	var taken []time.Duration
	for range count {
		began := time.Now()
		address, err := execURL(cri, container, false, false, "true")
		if err != nil {
			return err
		}
		client, err := executor(address)
		if err != nil {
			return err
		}
		if err := client.StreamWithContext(context.Background(), remotecommand.StreamOptions{Stdout: io.Discard, Stderr: io.Discard}); err != nil {
			return err
		}
		taken = append(taken, time.Since(began))
	}
	sort.Slice(taken, func(i, j int) bool { return taken[i] < taken[j] })
	fmt.Printf("exec_ms=%.2f\n", float64(taken[len(taken)/2].Microseconds())/1000)
	return nil
}

func probe(cri runtimeapi.RuntimeServiceClient, container string, count int) error {
	var taken []time.Duration
	for range count {
		began := time.Now()
		response, err := cri.ExecSync(context.Background(), &runtimeapi.ExecSyncRequest{ContainerId: container, Cmd: []string{"true"}, Timeout: 10})
		if err != nil {
			return err
		}
		if response.GetExitCode() != 0 {
			return fmt.Errorf("true ended with %d", response.GetExitCode())
		}
		taken = append(taken, time.Since(began))
	}
	sort.Slice(taken, func(i, j int) bool { return taken[i] < taken[j] })
	fmt.Printf("probe_ms=%.2f\n", float64(taken[len(taken)/2].Microseconds())/1000)
	return nil
}

// churn opens sessions; some end by themselves, some are dropped early or late, some tokens are never used.
func churn(cri runtimeapi.RuntimeServiceClient, container, pod string, port, count int) error {
	var whole, dropped, failed atomic.Int64
	var group sync.WaitGroup
	places := make(chan struct{}, 50)
	for index := range count {
		places <- struct{}{}
		group.Add(1)
		go func() {
			defer group.Done()
			defer func() { <-places }()
			chance := rand.New(rand.NewPCG(7, uint64(index)))
			life := time.Duration(chance.IntN(400)) * time.Millisecond
			ctx, cancel := context.WithTimeout(context.Background(), life)
			defer cancel()
			var err error
			switch index % 4 {
			case 0:
				err = command(ctx, cri, container, "cat")
			case 1:
				err = command(ctx, cri, container, "sh", "-c", "sleep 0.1; yes | head -n 100000")
			case 2:
				_, err = execURL(cri, container, false, false, "true")
			case 3:
				var address string
				var stop func()
				if address, stop, err = forwarded(cri, pod, port); err == nil {
					if life < 200*time.Millisecond {
						err = echo(address, 100_000)
						stop()
					} else {
						connection, dialed := net.Dial("tcp", address)
						err = dialed
						stop()
						if dialed == nil {
							connection.Close()
						}
					}
				}
			}
			switch {
			case err == nil:
				whole.Add(1)
			case ctx.Err() != nil || strings.Contains(err.Error(), "i/o timeout"):
				dropped.Add(1)
			default:
				failed.Add(1)
				fmt.Fprintln(os.Stderr, "session", index, err)
			}
		}()
	}
	group.Wait()
	fmt.Printf("whole=%d\ndropped=%d\nfailed=%d\n", whole.Load(), dropped.Load(), failed.Load())
	if failed.Load() > 0 {
		return errors.New("sessions failed")
	}
	return nil
}

func command(ctx context.Context, cri runtimeapi.RuntimeServiceClient, container string, words ...string) error {
	address, err := execURL(cri, container, true, false, words...)
	if err != nil {
		return err
	}
	client, err := executor(address)
	if err != nil {
		return err
	}
	input, output := io.Pipe()
	defer output.Close()
	return client.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: input, Stdout: io.Discard, Stderr: io.Discard})
}
