// Command bench prints the microseconds of each of N calls of GetToken, for bench/clients.ts: CREDENTIAL N.
package main

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	authd "authd/client"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: bench CREDENTIAL N")
	}
	credential := os.Args[1]
	calls, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var client authd.Client
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for call := -calls / 10; call < calls; call++ {
		startedAt := time.Now()
		if _, err := client.GetToken(context.Background(), credential); err != nil {
			log.Fatal(err)
		}
		if call >= 0 {
			fmt.Fprintln(output, float64(time.Since(startedAt).Nanoseconds())/1000)
		}
	}
}
