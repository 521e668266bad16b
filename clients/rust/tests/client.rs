//! The client at a daemon that says what each test wants, over a real socket.

#![cfg(unix)]

mod server;

use authd::{Cancellation, Client, GetToken, Json, Reason, Request, Watch};
use server::Server;
use std::error::Error;
use std::io::{self, Read};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{channel, Receiver};
use std::thread;
use std::time::Duration;

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Less than a call waits that nothing ends.
const SOON: Duration = Duration::from_secs(45);

#[test]
fn threads_share_a_connection() {
    let server = Server::start("threads");
    let client = Client::at(&server.path);
    let work = |client: &Client| -> Vec<String> {
        (0..50).map(|_| client.get_token("a").unwrap().access_token).collect()
    };
    let tokens: Vec<String> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| work(&client))).collect();
        threads.into_iter().flat_map(|each| each.join().unwrap()).collect()
    });
    assert_eq!(tokens, vec!["connection 1"; 400]);
}

#[test]
fn a_child_has_a_connection_of_its_own() {
    extern "C" {
        fn fork() -> i32;
        fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(code: i32) -> !;
    }
    let server = Server::start("fork");
    let client = Client::at(&server.path);
    let ask = || client.get_token("a").map(|token| token.access_token);
    assert_eq!(ask().unwrap(), "connection 1");
    // SAFETY: the child uses nothing of this process's other threads, and ends without unwinding.
    let child = unsafe { fork() };
    if child == 0 {
        let is_own = (0..20).all(|_| ask().is_ok_and(|token| token == "connection 2"));
        drop(client);
        // SAFETY: _exit(2) runs nothing of this process.
        unsafe { _exit(i32::from(!is_own)) }
    }
    let mut status = -1;
    // SAFETY: waitpid(2) writes one number.
    assert_eq!(unsafe { waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0);
    assert_eq!(ask().unwrap(), "connection 1");
}

#[test]
fn the_connection_ends_with_the_last_clone() {
    let server = Server::start("clones");
    let client = Client::at(&server.path);
    let other = client.clone();
    client.get_token("a").unwrap();
    drop(client);
    assert_eq!(other.get_token("a").unwrap().access_token, "connection 1");
    drop(other);
    server.ended.recv_timeout(LIMIT).unwrap();
}

#[test]
fn a_subscription_hears_of_its_credential_until_the_client_is_closed() {
    let server = Server::start("subscription");
    let client = Client::at(&server.path);
    let mut of_a = client.subscribe(Watch::of("a")).unwrap();
    let mut of_all = client.subscribe(Watch::default()).unwrap();
    for name in ["b", "a"] {
        client.call("notify", &Json::object().with("credential", name)).unwrap();
    }
    assert_eq!(of_a.next().unwrap().params.str("credential"), Some("a"));
    assert_eq!(of_all.next().unwrap().params.str("credential"), Some("b"));
    assert_eq!(of_all.next_within(LIMIT).unwrap().name, "token/refreshed");
    client.close();
    assert!(of_a.next().is_none() && of_all.next().is_none());
    assert_eq!(client.get_token("a").unwrap_err().reason, Reason::Cancelled);
}

#[test]
fn a_subscription_survives_a_connection_that_ends_with_its_answer() {
    let server = Server::start("ends");
    let client = Client::at(&server.path);
    let mut of_it = client.subscribe(Watch::of("ends")).unwrap();
    server.ended.recv_timeout(LIMIT).unwrap();
    // Nobody calls: the client itself connects again.
    server.subscribed.recv_timeout(LIMIT).unwrap();
    client.call("notify", &Json::object().with("credential", "ends")).unwrap();
    assert!(of_it.next().is_some());
}

#[test]
fn who_listens_may_call() {
    let server = Server::start("listener");
    let client = Client::at(&server.path);
    let mut all = client.subscribe(Watch::default()).unwrap();
    client.call("notify", &Json::object().with("credential", "a")).unwrap();
    let about = all.next().unwrap().params.str("credential").unwrap().to_string();
    assert_eq!(client.get_token(about.as_str()).unwrap().access_token, "connection 1");
}

#[test]
fn a_call_is_taken_back_from_another_thread() {
    let server = Server::start("cancel");
    let cancellation = Cancellation::new();
    let client = Client::at(&server.path).with_cancellation(&cancellation);
    let (sender, told) = channel();
    let asking = client.clone();
    thread::spawn(move || sender.send(asking.call("silence", &Json::object()).unwrap_err().reason));
    server.silenced.recv_timeout(LIMIT).unwrap();
    cancellation.cancel();
    assert_eq!(told.recv_timeout(LIMIT).unwrap(), Reason::Cancelled);
    // What was cancelled once takes all later calls back, too.
    assert_eq!(client.get_token("a").unwrap_err().reason, Reason::Cancelled);
}

/// A daemon that reads nothing.
struct Deaf {
    _server: Server,
    path: PathBuf,
    _listener: UnixListener,
}

impl Deaf {
    fn start(test: &str) -> Deaf {
        let server = Server::start(test);
        let path = server.path.with_extension("deaf");
        let listener = UnixListener::bind(&path).unwrap();
        Deaf { _server: server, path, _listener: listener }
    }
}

/// More than a socket holds that nobody reads.
fn large(credential: &str) -> Request {
    Request::new(credential, "POST", "https://a.example/").body(vec![b'a'; 900_000])
}

#[test]
fn a_call_ends_though_nobody_reads_it() {
    let daemon = Deaf::start("deaf");
    let cancellation = Cancellation::new();
    let client = Client::at(&daemon.path).with_cancellation(&cancellation);
    let (sender, told) = channel();
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let (asking, sender) = (client.clone(), sender.clone());
            thread::spawn(move || sender.send(asking.request(&large("a")).unwrap_err().reason))
        })
        .collect();
    let hasty = Client::at(&daemon.path).with_grace(Duration::from_millis(1));
    let request = Request { timeout: Some(Duration::from_millis(1)), ..large("a") };
    assert_eq!(hasty.request(&request).unwrap_err().reason, Reason::Timeout);
    cancellation.cancel();
    for _ in calls {
        assert_eq!(told.recv_timeout(SOON).unwrap(), Reason::Cancelled);
    }
}

#[test]
fn who_closes_a_client_ends_what_has_a_connection_of_its_own() {
    let server = Server::start("close");
    let client = Client::at(&server.path);
    let request = |name: &str| Request::new(name, "GET", "https://a.example/");
    let mut begun = client.stream(&request("pauses")).unwrap();
    let (sender, told) = channel();
    let asking = client.clone();
    let silent = request("silence");
    thread::spawn(move || sender.send(asking.stream(&silent).unwrap_err().reason));
    server.silenced.recv_timeout(LIMIT).unwrap();
    client.close();
    assert_eq!(told.recv_timeout(SOON).unwrap(), Reason::Cancelled);
    while let Ok(Some(_)) = begun.chunk() {}
    assert_eq!(begun.chunk().unwrap_err().reason, Reason::Cancelled);
}

#[test]
fn a_streamed_answer_outlives_its_client() {
    let server = Server::start("outlives");
    let request = Request::new("whole", "GET", "https://a.example/");
    let mut answer = Client::at(&server.path).stream(&request).unwrap();
    let mut text = String::new();
    answer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi");
}

#[test]
fn nothing_secret_is_shown() {
    let server = Server::start("debug");
    let token = Client::at(&server.path).get_token(GetToken::of("a")).unwrap();
    assert!(!format!("{token:?}").contains("connection"));
    let request = Request::new("a", "GET", "https://api.example/").header("x-key", "hidden").body("hidden");
    assert!(!format!("{request:?}").contains("hidden"));
    let rejected = GetToken { rejected_token: Some("hidden".to_string()), ..GetToken::of("a") };
    assert!(!format!("{rejected:?}").contains("hidden"));
}

#[test]
fn a_body_is_sent_to_its_end_though_the_answer_has_begun() {
    /// Ends after so many parts.
    struct Parts(usize);
    impl Read for Parts {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = self.0.min(1);
            self.0 -= length;
            buffer[..length].fill(b'x');
            Ok(length)
        }
    }
    let server = Server::start("early");
    let client = Client::at(&server.path).with_grace(Duration::from_secs(5));
    let request =
        Request { timeout: Some(Duration::from_secs(5)), ..Request::new("a", "PUT", "https://a.example/") };
    let mut text = String::new();
    client.upload(&request, Parts(30)).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "hi".repeat(31));
}

/// A body whose source never says anything.
struct Silent(Receiver<()>);

impl Read for Silent {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        let _ = self.0.recv();
        Ok(0)
    }
}

#[test]
fn an_upload_is_taken_back_while_its_source_says_nothing() {
    let server = Server::start("source");
    let cancellation = Cancellation::new();
    let client = Client::at(&server.path).with_cancellation(&cancellation);
    let (_source, silence) = channel();
    let (sender, told) = channel();
    thread::spawn(move || {
        let request = Request::new("a", "PUT", "https://a.example/");
        sender.send(client.upload(&request, Silent(silence)).unwrap_err().reason)
    });
    server.opened.recv_timeout(LIMIT).unwrap();
    cancellation.cancel();
    assert_eq!(told.recv_timeout(SOON).unwrap(), Reason::Cancelled);
    server.ended.recv_timeout(LIMIT).unwrap();
}

#[test]
fn an_answer_that_breaks_off_never_ends_well() {
    let server = Server::start("breaks");
    let mut answer =
        Client::at(&server.path).stream(&Request::new("a", "GET", "https://a.example/")).unwrap();
    assert_eq!(answer.chunk().unwrap().as_deref(), Some(&b"hi"[..]));
    for _ in 0..2 {
        assert_eq!(answer.chunk().unwrap_err().reason, Reason::RequestFailed);
        assert!(answer.read(&mut [0]).is_err());
    }
}

#[test]
fn times_without_an_end_are_times() {
    let server = Server::start("times");
    let client = Client::at(&server.path).with_grace(Duration::MAX);
    let request = GetToken { timeout: Some(Duration::MAX), ..GetToken::of("a") };
    assert!(request.patience() < Duration::from_secs(2 * 24 * 60 * 60));
    assert_eq!(client.get_token(request).unwrap().access_token, "connection 1");
    let request = Request { timeout: Some(Duration::ZERO), ..Request::new("a", "GET", "https://a.example/") };
    assert_eq!(client.stream(&request).unwrap().status, 200);
}

#[test]
fn a_body_that_fails_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no more"))
        }
    }
    let server = Server::start("broken");
    let request = Request::new("a", "PUT", "https://api.example/");
    let error = Client::at(&server.path).upload(&request, Broken).unwrap_err();
    assert_eq!(error.reason, Reason::RequestFailed);
    assert!(error.message.contains("no more"), "{error}");
    assert_eq!(error.source().unwrap().to_string(), "no more");
}

#[test]
fn a_source_that_panics_is_an_error() {
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("the source")
        }
    }
    let server = Server::start("panics");
    let request = Request::new("a", "PUT", "https://api.example/");
    let error = Client::at(&server.path).upload(&request, Panics).unwrap_err();
    assert_eq!(error.reason, Reason::RequestFailed);
    assert!(error.message.contains("panicked"), "{error}");
}

#[test]
fn without_a_daemon_there_is_an_error() {
    let error = Client::at("/nowhere/authd.sock").get_token("a").unwrap_err();
    assert_eq!(error.reason, Reason::NoDaemon);
}
