package s2s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// authorityFile holds the certificate and the key of an authority that
// DevelopmentTLS has made.
const authorityFile = "s2s-ca.pem"

// DevelopmentTLS makes a certificate for a server of that name, valid for a year,
// by an authority that is kept in dir and made if need be: servers that share dir
// trust each other. Whoever can read dir can be any of them.
func DevelopmentTLS(dir, name string) (*tls.Config, error) {
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("s2s: %q is no server's name", name)
	}
	ca, err := authority(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, fmt.Errorf("s2s: development authority: %w", err)
	}
	cert, err := issue(&ca, &x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    []string{name},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("s2s: development certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots}, nil
}

// authority reads the authority in a file, or makes one there. Of processes that
// do so at the same time one is first, and the others read what it made.
func authority(file string) (tls.Certificate, error) {
	ca, err := readAuthority(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return ca, err
	}
	ca, err = issue(nil, &x509.Certificate{
		Subject:  pkix.Name{CommonName: "Troupe development authority"},
		IsCA:     true,
		KeyUsage: x509.KeyUsageCertSign,
	})
	if err != nil {
		return ca, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(ca.PrivateKey)
	if err != nil {
		return ca, err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := place(file, text); err != nil && !errors.Is(err, fs.ErrExist) {
		return ca, err
	}
	return readAuthority(file)
}

func readAuthority(file string) (tls.Certificate, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(text, text)
}

// place makes a file, whole or not at all; it does not replace one.
func place(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)) // for its owner alone
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), file)
}

// issue makes a key and has a certificate signed for it, by itself without an
// authority.
func issue(ca *tls.Certificate, template *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template.NotBefore, template.NotAfter = now.Add(-time.Hour), now.AddDate(1, 0, 0)
	template.BasicConstraintsValid = true
	parent, signer := template, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
