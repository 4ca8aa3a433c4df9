// mint.go makes tokens offline: go run mint.go KEY_HEX KEY_INDEX DELIVERY_ID PURPOSE DOMAIN
//
// KEY_HEX is the key derived for your offline account number (`bounced token key`); see TOKEN.md.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

const numbers = "234567abcdefghijklmnopqrstuvwxyz"

// Mint signs a delivery id of 13 characters for one purpose at one domain; index is 0 to 31.
func Mint(key []byte, index int, delivery, purpose, domain string) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{"bounced-token-1", strconv.Itoa(index), delivery, purpose, strings.ToLower(domain)} {
		mac.Write([]byte(part + "\x00"))
	}
	sum := base32.StdEncoding.EncodeToString(mac.Sum(nil)[:10])
	return string(numbers[index]) + delivery + strings.ToLower(sum)
}

func main() {
	key, err := hex.DecodeString(os.Args[1])
	index, err2 := strconv.Atoi(os.Args[2])
	if err != nil || err2 != nil || index < 0 || index > 31 {
		fmt.Fprintln(os.Stderr, "KEY_HEX must be hex, KEY_INDEX 0 to 31")
		os.Exit(1)
	}
	fmt.Println(Mint(key, index, os.Args[3], os.Args[4], os.Args[5]))
}
