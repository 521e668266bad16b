//! Whose a pipe is.

use super::Handle;
use crate::error::Error;
use crate::socket::refused;
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::path::Path;
use std::ptr::null_mut;

const OWNER_SECURITY_INFORMATION: u32 = 1;
const TOKEN_QUERY: u32 = 8;
const TOKEN_USER: i32 = 1;
/// Whom Windows makes the owner of what we make.
const TOKEN_OWNER: i32 = 4;
const SYSTEM: &str = "S-1-5-18";
/// Owner of what a user makes in an administrator's window.
const ADMINISTRATORS: &str = "S-1-5-32-544";

/// Room for what Windows tells here: a SECURITY_DESCRIPTOR, TOKEN_USER, TOKEN_OWNER; aligned as they are.
type Told = [u64; 128];
const BYTES: u32 = 1024;

#[link(name = "advapi32")]
extern "system" {
    fn GetKernelObjectSecurity(
        object: Handle,
        parts: u32,
        told: *mut u64,
        length: u32,
        needed: *mut u32,
    ) -> i32;
    fn OpenProcessToken(process: Handle, access: u32, token: *mut Handle) -> i32;
    fn GetTokenInformation(token: Handle, part: i32, told: *mut u64, length: u32, needed: *mut u32) -> i32;
}

/// Refuses a pipe unless it is this user's, the system's or an administrator's.
pub(super) fn refuse_impostor(path: &Path, pipe: Handle) -> io::Result<Result<(), Error>> {
    let shown = path.display();
    let token = own_token()?;
    let user = own_sid(&token, TOKEN_USER)?;
    let Some(owner) = owner_of(pipe)? else {
        return Ok(Err(refused(format!("The pipe {shown} does not tell whose it is: nothing was sent."))));
    };
    let ours = [user.as_str(), &own_sid(&token, TOKEN_OWNER)?, SYSTEM, ADMINISTRATORS];
    if ours.contains(&owner.as_str()) {
        return Ok(Ok(()));
    }
    let what = format!("The pipe {shown} belongs to user {owner}, not to you ({user}): nothing was sent.");
    Ok(Err(refused(what)))
}

fn owner_of(pipe: Handle) -> io::Result<Option<String>> {
    let (mut told, mut needed): (Told, u32) = ([0; 128], 0);
    // SAFETY: Windows writes at most so many bytes, which is the size of the array.
    let done = unsafe {
        GetKernelObjectSecurity(pipe, OWNER_SECURITY_INFORMATION, told.as_mut_ptr(), BYTES, &mut needed)
    };
    succeeded(done)?;
    let bytes = bytes_of(&told);
    // A self-relative SECURITY_DESCRIPTOR says there where its owner is.
    let at = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    Ok(bytes.get(at..).filter(|_| at > 0).and_then(sid_text))
}

fn own_token() -> io::Result<OwnedHandle> {
    let this_process = -1isize as Handle;
    let mut token = null_mut();
    // SAFETY: Windows writes one handle, which is nobody else's.
    unsafe {
        succeeded(OpenProcessToken(this_process, TOKEN_QUERY, &mut token))?;
        Ok(OwnedHandle::from_raw_handle(token))
    }
}

fn own_sid(token: &OwnedHandle, part: i32) -> io::Result<String> {
    let (mut told, mut needed): (Told, u32) = ([0; 128], 0);
    // SAFETY: Windows writes at most so many bytes, which is the size of the array.
    let done =
        unsafe { GetTokenInformation(token.as_raw_handle(), part, told.as_mut_ptr(), BYTES, &mut needed) };
    succeeded(done)?;
    // Both begin with the address of a SID, which follows in the same array.
    let at = (told[0] as usize).wrapping_sub(told.as_ptr() as usize);
    let text = bytes_of(&told).get(at..).and_then(sid_text);
    text.ok_or_else(|| io::Error::other("Windows does not tell the user of this process"))
}

/// Writes a SID as Windows does: its revision, its authority (48 bits, big-endian), and 32 bits for each part.
fn sid_text(sid: &[u8]) -> Option<String> {
    let parts = sid.get(8..8 + 4 * usize::from(*sid.get(1)?))?;
    let authority = sid[2..8].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    let mut text = format!("S-{}-{authority}", sid[0]);
    for part in parts.chunks_exact(4) {
        text += &format!("-{}", u32::from_le_bytes([part[0], part[1], part[2], part[3]]));
    }
    Some(text)
}

fn bytes_of(told: &Told) -> Vec<u8> {
    told.iter().flat_map(|each| each.to_le_bytes()).collect()
}

fn succeeded(done: i32) -> io::Result<()> {
    if done == 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}
