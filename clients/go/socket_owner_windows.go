//go:build go1.25

package authd

import (
	"syscall"
	"unsafe"
)

const (
	ownerSecurityInformation = 1
	systemUser               = "S-1-5-18"
	// administrators own what a user makes in an administrator's window.
	administrators = "S-1-5-32-544"
)

var getKernelObjectSecurity = syscall.NewLazyDLL("advapi32.dll").NewProc("GetKernelObjectSecurity")

// refuseImpostor returns an error unless the pipe is this user's, the system's or an administrator's: whoever owns
// it sees what is sent.
func refuseImpostor(path string, pipe syscall.Handle) error {
	owner, err := ownerOf(pipe)
	if err != nil {
		return err
	}
	token, err := syscall.OpenCurrentProcessToken()
	if err != nil {
		return err
	}
	defer token.Close()
	user, err := sidOf(token, syscall.TokenUser)
	if err != nil {
		return err
	}
	// Whom Windows makes the owner of what we make.
	maker, err := sidOf(token, syscall.TokenOwner)
	if err != nil {
		return err
	}
	switch owner {
	case user, maker, systemUser, administrators:
		return nil
	case "":
		return noDaemon(nil, "the pipe %s does not tell whose it is: nothing was sent", path)
	}
	text := "the pipe %s belongs to user %s, not to you (%s): nothing was sent"
	return noDaemon(nil, text, path, owner, user)
}

// securityDescriptor is a self-relative SECURITY_DESCRIPTOR: where its owner is, counted from its beginning, and room
// for it.
type securityDescriptor struct {
	revision, control uint16
	owner             uint32
	rest              [1024]byte
}

func ownerOf(pipe syscall.Handle) (string, error) {
	var descriptor securityDescriptor
	var needed uint32
	done, _, err := getKernelObjectSecurity.Call(
		uintptr(pipe), ownerSecurityInformation,
		uintptr(unsafe.Pointer(&descriptor)), unsafe.Sizeof(descriptor), uintptr(unsafe.Pointer(&needed)),
	)
	if done == 0 {
		return "", err
	}
	if descriptor.owner == 0 {
		return "", nil
	}
	return (*syscall.SID)(unsafe.Add(unsafe.Pointer(&descriptor), descriptor.owner)).String()
}

// sidOf returns what TOKEN_USER and TOKEN_OWNER begin with.
func sidOf(token syscall.Token, part uint32) (string, error) {
	var told [32]*syscall.SID
	size := uint32(unsafe.Sizeof(told))
	err := syscall.GetTokenInformation(token, part, (*byte)(unsafe.Pointer(&told)), size, &size)
	if err != nil {
		return "", err
	}
	return told[0].String()
}
