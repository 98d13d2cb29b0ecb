// Command sshd serves one Git repository by SSH on loopback, for tests.
//
// It makes the host's key and two users' keys, only one of which it takes, and ends when its standard
// input does. Nothing of it is fit for anything but a test.
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func main() {
	log.SetFlags(0)
	keys := flag.String("keys", "", "folder for `user`, `stranger`, their agents' sockets and `known_hosts`")
	repository := flag.String("repository", "", "what /orders.git is")
	kind := flag.String("host-key", "ed25519", "ed25519 or ecdsa")
	flag.Parse()
	if err := serve(*keys, *repository, *kind); err != nil {
		log.Fatal(err)
	}
}

func serve(keys, repository, kind string) error {
	config, host, err := configure(keys, kind)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	line := fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(host))
	if err := os.WriteFile(filepath.Join(keys, "known_hosts"), []byte(line), 0o600); err != nil {
		return err
	}
	fmt.Println(port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go talk(connection, config, repository)
	}
}

// configure makes the keys: of the host, of the user who is let in and of a stranger.
func configure(keys, kind string) (*ssh.ServerConfig, ssh.PublicKey, error) {
	host, err := hostKey(kind)
	if err != nil {
		return nil, nil, err
	}
	user, err := userKey(filepath.Join(keys, "user"))
	if err != nil {
		return nil, nil, err
	}
	if _, err := userKey(filepath.Join(keys, "stranger")); err != nil {
		return nil, nil, err
	}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(who ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if who.User() != "git" || !bytes.Equal(key.Marshal(), user.Marshal()) {
				return nil, errors.New("not this one")
			}
			return &ssh.Permissions{}, nil
		},
	}
	config.AddHostKey(host)
	return config, host.PublicKey(), nil
}

func hostKey(kind string) (ssh.Signer, error) {
	if kind == "ecdsa" {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		return ssh.NewSignerFromKey(key)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

// userKey writes a new private key as `ssh-keygen` does, without a passphrase and, beside it, with one;
// an agent that holds it listens beside them.
func userKey(path string) (ssh.PublicKey, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	plain, err := ssh.MarshalPrivateKey(crypto.PrivateKey(private), "test")
	if err != nil {
		return nil, err
	}
	locked, err := ssh.MarshalPrivateKeyWithPassphrase(crypto.PrivateKey(private), "test", []byte("hunter2"))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(plain), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(path+"-locked", pem.EncodeToMemory(locked), 0o600); err != nil {
		return nil, err
	}
	if err := serveAgent(path+"-agent", private); err != nil {
		return nil, err
	}
	return ssh.NewPublicKey(public)
}

func serveAgent(socket string, key ed25519.PrivateKey) error {
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, connection) }()
		}
	}()
	return nil
}

func talk(connection net.Conn, config *ssh.ServerConfig, repository string) {
	defer connection.Close()
	_, channels, requests, err := ssh.NewServerConn(connection, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go session(channel, requests, repository)
	}
}

// session runs `git-upload-pack` of the repository, and nothing else.
func session(channel ssh.Channel, requests <-chan *ssh.Request, repository string) {
	defer channel.Close()
	for request := range requests {
		var asked struct{ Command string }
		known := request.Type == "exec" && ssh.Unmarshal(request.Payload, &asked) == nil
		_ = request.Reply(known, nil)
		if known {
			status := run(channel, asked.Command, repository)
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			return
		}
	}
}

func run(channel ssh.Channel, command, repository string) uint32 {
	verb, path, _ := strings.Cut(command, " ")
	if verb != "git-upload-pack" || strings.Trim(path, "'\"") != "/orders.git" {
		fmt.Fprintf(channel.Stderr(), "\x1b[2Jno such repository\n")
		return 1
	}
	git := exec.Command("git", "upload-pack", repository)
	git.WaitDelay = time.Second
	git.Stdin, git.Stdout, git.Stderr = channel, channel, channel.Stderr()
	if err := git.Run(); err != nil {
		return 1
	}
	return 0
}
