package packet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"testing"
)

// reference opens packets by the words of the protocol alone: RFC 5869 written
// out, no windows, no state but the secrets.
type reference struct {
	label   string
	id      uint64
	secrets []Secret // of the generations
	aeads   map[[44]byte]cipher.AEAD
}

// nonceUse is a nonce under a key: what must never come twice.
type nonceUse struct {
	key   [32]byte
	nonce [12]byte
}

func newReference(secret Secret, label string, id uint64) *reference {
	return &reference{label: label, id: id, secrets: []Secret{secret}, aeads: map[[44]byte]cipher.AEAD{}}
}

func expand(secret, info []byte, n int) []byte {
	var out, t []byte
	for i := byte(1); len(out) < n; i++ {
		m := hmac.New(sha256.New, secret)
		m.Write(t)
		m.Write(info)
		m.Write([]byte{i})
		t = m.Sum(nil)
		out = append(out, t...)
	}
	return out[:n]
}

// open opens a packet that sender has sealed as its counter-th in generation gen.
func (r *reference) open(p []byte, sender Role, gen uint32, counter uint64) ([]byte, nonceUse, error) {
	for len(r.secrets) <= int(gen) {
		last := r.secrets[len(r.secrets)-1]
		r.secrets = append(r.secrets, Secret(expand(last[:], []byte("troupe1 update"), 32)))
	}
	info := []byte("troupe1 " + r.label)
	info = binary.BigEndian.AppendUint64(info, r.id)
	info = append(info, 1, byte(sender))
	out := [44]byte(expand(r.secrets[gen][:], info, 44))
	use := nonceUse{key: [32]byte(out[:32]), nonce: [12]byte(out[32:])}
	for i := range 8 {
		use.nonce[4+i] ^= byte(counter >> (56 - 8*i))
	}
	aead := r.aeads[out]
	if aead == nil {
		block, err := aes.NewCipher(use.key[:])
		if err != nil {
			return nil, use, err
		}
		if aead, err = cipher.NewGCM(block); err != nil {
			return nil, use, err
		}
		r.aeads[out] = aead
	}
	if binary.BigEndian.Uint32(p[5:]) != uint32(counter) || p[0] != 0xc0|byte(gen%2)<<5 {
		return nil, use, errors.New("header says otherwise")
	}
	body, err := aead.Open(nil, use.nonce[:], p[9:], p[:9])
	return body, use, err
}

// pair makes the two ends of a secret.
func pair(t testing.TB, secret Secret, label string, id uint64, window int) (client, server *Crypt) {
	t.Helper()
	var ends [2]*Crypt
	for role := range ends {
		c, err := NewCrypt(&secret, label, id, SuiteAES256GCM, Role(role), window)
		if err != nil {
			t.Fatal(err)
		}
		ends[role] = c
	}
	return ends[Client], ends[Server]
}

// seal seals a body into a packet of its own.
func seal(c *Crypt, to ID, body []byte) []byte {
	p := make([]byte, HeaderSize, HeaderSize+len(body)+TagSize)
	return c.Seal(append(p, body...), to)
}
