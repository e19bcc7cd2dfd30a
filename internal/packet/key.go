package packet

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// Role is an end's part. It goes into its keys, so that the two directions have
// different ones.
type Role uint8

const (
	Client Role = 0 // in a pair: the lower id
	Server Role = 1 // in a pair: the higher id
)

func (r Role) peer() Role { return r ^ 1 }

// Secret is what both ends got from whoever brought them together. It serves
// one session or pair, once.
type Secret [32]byte

// next is the secret of the next generation of keys; what came before cannot be
// found from it.
//
//	secret = HKDF-SHA256-Expand(secret, "troupe1 update")
func (s *Secret) next() (Secret, error) {
	b, err := hkdf.Expand(sha256.New, s[:], "troupe1 update", len(s))
	if err != nil {
		return Secret{}, err
	}
	return Secret(b), nil
}

// key seals what one end sends in one generation. The zero key is none.
type key struct {
	aead cipher.AEAD
	iv   [12]byte
	gen  uint32
}

// nonce puts the nonce of counter into n.
func (k *key) nonce(n *[12]byte, counter uint64) {
	*n = k.iv
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^counter)
}

// binding is what keys are made from besides the secret.
type binding struct {
	label string // session or pair
	id    uint64
	suite uint8
}

// key derives the key of a generation's secret.
//
//	key [32]byte, iv [12]byte = HKDF-SHA256-Expand(secret, "troupe1 " + label + id 8 + suite 1 + sender 1)
func (b *binding) key(s *Secret, sender Role, gen uint32) (key, error) {
	info := append([]byte("troupe1 "), b.label...)
	info = binary.BigEndian.AppendUint64(info, b.id)
	info = append(info, b.suite, byte(sender))
	out, err := hkdf.Expand(sha256.New, s[:], string(info), 32+12)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(out[:32])
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return key{}, err
	}
	return key{aead: aead, iv: [12]byte(out[32:]), gen: gen}, nil
}
