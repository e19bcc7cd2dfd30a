package session

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// testCertificate vouches for itself.
func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// The pin is what openssl computes:
//
//	openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64
func TestPin(t *testing.T) {
	const pin = "sha256/0dZYwN2uVf5RQCiGlqsJtSL3bXlq9wCSf7JntEmRq5Q="
	block, _ := pem.Decode([]byte(`-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUHRioxQt1e0jSMaqc5Jc8jPJBBuUwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDcGluMCAXDTI2MTEyMDExMzQyNVoYDzIxMjYxMDI3MTEzNDI1
WjAOMQwwCgYDVQQDDANwaW4wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATwDeUX
f6gzm7ouTwCVxH/20JBmMWMew/u4h5Y6Nao4hNC7XA2ShHm1j5pOPEQxNDN/dyiN
+2UBttMgrgjNzEUeo1MwUTAdBgNVHQ4EFgQUCdKcfFpJYEgqLFoJHHOW3O7X6p4w
HwYDVR0jBBgwFoAUCdKcfFpJYEgqLFoJHHOW3O7X6p4wDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiAhQX44CozOrzN3hRpHXoJ+L6R9LRD+tVmK+qXE
ZKoYpgIgXWY4HPARVwPUngSZkf/LomjnHj/ZkUQ/TS3dd0N/vkk=
-----END CERTIFICATE-----`))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := Pin(cert); got != pin {
		t.Errorf("Pin = %s, want %s", got, pin)
	}
}
