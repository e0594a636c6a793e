// One TLS handshake of Go's own stack with 198.51.100.2: client [NAME [TLS 1.x as a digit]]. Certificates are not looked at.
package main

import (
	"crypto/tls"
	"os"
)

func main() {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}}
	if len(os.Args) > 1 {
		config.ServerName = os.Args[1]
	}
	if len(os.Args) > 2 {
		config.MinVersion = tls.VersionTLS10 + uint16(os.Args[2][0]-'0')
		config.MaxVersion = config.MinVersion
	}
	if c, err := tls.Dial("tcp", "198.51.100.2:443", config); err == nil {
		c.Close()
	}
}
