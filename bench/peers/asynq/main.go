// Client and worker of asynq: `asynq-bench ROLE URL ECHO EVENT PAYLOAD`. A line of JSON on the standard input is a
// command, a line on the standard output its answer. The end of the input ends the process.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// As many as a worker of ElkMQ has in hand by default; asynq's own default is the number of cores.
const concurrency = 256

type load struct {
	InFlight  int     `json:"inFlight"`
	MeasureMs float64 `json:"measureMs"`
}

func main() {
	role, url, event, payload := os.Args[1], os.Args[2], os.Args[4], os.Args[5]
	redis, err := asynq.ParseRedisURI(url)
	check(err)
	if role == "worker" {
		work(redis, event)
	} else {
		emit(redis, event, []byte(payload))
	}
}

func work(redis asynq.RedisConnOpt, event string) {
	var events, last atomic.Int64
	mux := asynq.NewServeMux()
	mux.HandleFunc(event, func(context.Context, *asynq.Task) error {
		last.Store(time.Now().UnixMicro())
		events.Add(1)
		return nil
	})
	server := asynq.NewServer(redis, asynq.Config{Concurrency: concurrency, LogLevel: asynq.ErrorLevel})
	check(server.Start(mux))
	answerEach(func([]byte) any {
		return map[string]any{"events": events.Load(), "at": float64(last.Load()) / 1000}
	})
	server.Shutdown()
}

func emit(redis asynq.RedisConnOpt, event string, payload []byte) {
	client := asynq.NewClient(redis)
	defer client.Close()
	answerEach(func(line []byte) any {
		var wanted load
		check(json.Unmarshal(line, &wanted))
		var total atomic.Int64
		var places sync.WaitGroup
		started := time.Now()
		end := started.Add(time.Duration(wanted.MeasureMs * float64(time.Millisecond)))
		for range wanted.InFlight {
			places.Go(func() {
				for time.Now().Before(end) {
					_, err := client.Enqueue(asynq.NewTask(event, payload))
					check(err)
					total.Add(1)
				}
			})
		}
		places.Wait()
		return map[string]any{"total": total.Load(), "startedAt": float64(started.UnixMicro()) / 1000,
			"requestsPerSecond": 0, "p50Ms": 0, "p99Ms": 0, "p999Ms": 0}
	})
}

func answerEach(answer func(line []byte) any) {
	write := func(value any) {
		text, err := json.Marshal(value)
		check(err)
		fmt.Println(string(text))
	}
	write("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		write(answer(lines.Bytes()))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
