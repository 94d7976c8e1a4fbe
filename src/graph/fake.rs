//! A transport for tests: answers by a function, remembers what it was asked.

use std::sync::{Arc, Mutex};

use super::{Link, Options, Secrets, pace::tests::Leap};
use crate::{
    domain::AccountId,
    ports::{BoxFuture, Clock, Request, Response, Transport, TransportError},
};

type Answer = Result<Response, TransportError>;
type Script = dyn Fn(&Request, usize) -> Answer + Send + Sync;

pub(super) struct Fake {
    answer: Box<Script>,
    seen: Mutex<Vec<Request>>,
    pub(super) clock: Arc<Leap>,
}

pub(super) fn answer(status: u16, body: &str) -> Response {
    Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

impl Fake {
    /// `answer` gets the request and its number from 0.
    pub(super) fn new(
        answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static,
    ) -> Arc<Self> {
        let (seen, clock) = (Mutex::default(), Arc::default());
        Arc::new(Self { answer: Box::new(answer), seen, clock })
    }
    pub(super) fn always(answer: Answer) -> Arc<Self> {
        Self::new(move |_, _| answer.clone())
    }
    pub(super) fn link(self: &Arc<Self>) -> Arc<Link<Arc<Self>>> {
        let secret = "app-secret-of-the-test".to_owned().into();
        let token = "EAAB-token-of-the-test".to_owned().into();
        let options = Options {
            account: AccountId::new("act_1").unwrap(),
            version: "v26.0".into(),
            points: None,
            marker: "[rw:".into(),
            seed: Some(7),
        };
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Link::new(Arc::clone(self), clock, Secrets::new(token, Some(("77", &secret))), options)
    }
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

impl Transport for Fake {
    fn send<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Answer> {
        let mut seen = self.seen.lock().unwrap();
        let number = seen.len();
        seen.push(request.clone());
        drop(seen);
        let answer = (self.answer)(request, number);
        Box::pin(async move { answer })
    }
}
