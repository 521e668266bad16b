"""Whose a named pipe is."""

from __future__ import annotations

import ctypes
import sys
from ctypes import POINTER, byref, c_ulong, c_void_p, c_wchar_p
from typing import Optional

assert sys.platform == "win32"
from .errors import HINT, NoDaemonError  # noqa: E402

_SE_KERNEL_OBJECT = 6
_OWNER_SECURITY_INFORMATION = 1
_TOKEN_QUERY = 8
_TOKEN_USER = 1
_TOKEN_OWNER = 4
_THIS_PROCESS = c_void_p(-1)
_SYSTEM = "S-1-5-18"
#: Owner of what a user makes in an administrator's window.
_ADMINISTRATORS = "S-1-5-32-544"

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel32.LocalFree.argtypes = [c_void_p]
_kernel32.CloseHandle.argtypes = [c_void_p]
_advapi32.GetSecurityInfo.argtypes = [c_void_p, c_ulong, c_ulong, *[POINTER(c_void_p)] * 5]
_advapi32.ConvertSidToStringSidW.argtypes = [c_void_p, POINTER(c_wchar_p)]
_advapi32.OpenProcessToken.argtypes = [c_void_p, c_ulong, POINTER(c_void_p)]
_advapi32.GetTokenInformation.argtypes = [c_void_p, c_ulong, c_void_p, c_ulong, POINTER(c_ulong)]


def refuse_impostor(handle: int, path: str) -> None:
    """Whoever owns the pipe sees what is sent: that must be us, the system, or an administrator."""
    owner = _owner_of(handle)
    # What we make is ours, or a group's that Windows has told us to make it for.
    user, maker = _own(_TOKEN_USER), _own(_TOKEN_OWNER)
    if owner not in (user, maker, _SYSTEM, _ADMINISTRATORS):
        whose = f"belongs to user {owner}, not to you ({user})" if owner else "does not tell whose it is"
        raise NoDaemonError(f"The pipe {path} {whose}: nothing was sent. {HINT}")


def _owner_of(handle: int) -> Optional[str]:
    owner, descriptor = c_void_p(), c_void_p()
    error = _advapi32.GetSecurityInfo(
        handle,
        _SE_KERNEL_OBJECT,
        _OWNER_SECURITY_INFORMATION,
        byref(owner),
        *(None, None, None, byref(descriptor)),
    )
    if error:
        raise ctypes.WinError(error)
    try:
        return _text_of(owner) if owner else None
    finally:
        _kernel32.LocalFree(descriptor)


def _own(information: int) -> str:
    token, length = c_void_p(), c_ulong()
    _check(_advapi32.OpenProcessToken(_THIS_PROCESS, _TOKEN_QUERY, byref(token)))
    try:
        # TOKEN_USER and TOKEN_OWNER: the address of a SID comes first.
        told = (c_void_p * 32)()
        size = ctypes.sizeof(told)
        _check(_advapi32.GetTokenInformation(token, information, told, size, byref(length)))
        return _text_of(c_void_p(told[0]))
    finally:
        _kernel32.CloseHandle(token)


def _text_of(sid: c_void_p) -> str:
    text = c_wchar_p()
    _check(_advapi32.ConvertSidToStringSidW(sid, byref(text)))
    try:
        return text.value or ""
    finally:
        _kernel32.LocalFree(text)


def _check(success: int) -> None:
    if not success:
        raise ctypes.WinError(ctypes.get_last_error())
