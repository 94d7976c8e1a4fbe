//! The Graph transport over real HTTP on this machine: what it follows, how much it takes, how long it waits.

#[cfg(test)]
#[path = "graph_cases/pages.rs"]
mod pages;

use std::{
    io::{Read, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{RawQuery, Request as Incoming},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response as Outgoing},
    routing::{any, get},
};
use rungwise::{
    domain::AccountId,
    graph::{Client, HttpTransport, Link, Options, Secrets, Timeouts},
    ports::{MetaClass, MetaRead, Method, Request, SystemClock, Transport, TransportError},
};

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("a bound address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}
fn transport(base: &str) -> HttpTransport {
    let short = Duration::from_millis(300);
    HttpTransport::new(base, Timeouts { connect: short, head: short, read: short, write: short })
        .expect("a loopback address is accepted")
}
fn signed(mut request: Request) -> Request {
    request.token = Some("EAAB-secret".to_owned().into());
    request.proof = Some("proof-secret".to_owned().into());
    request
}

#[tokio::test]
async fn redirects_are_not_followed_whatever_their_kind() {
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    let target = serve(Router::new().fallback(any(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { "{}" }
    })))
    .await;
    let (temporary, permanent) = (target.clone(), target);
    let app = Router::new()
        .route("/t", any(move || async move { Redirect::temporary(&temporary) }))
        .route("/p", any(move || async move { Redirect::permanent(&permanent) }));
    let base = serve(app).await;
    for path in ["/t", "/p"] {
        for request in [Request::get(path), Request::post(path).form("daily_budget", "1")] {
            let answer = transport(&base).send(&signed(request)).await.unwrap();
            assert!((300..400).contains(&answer.status), "{path}: {}", answer.status);
        }
    }
    assert_eq!(hits.load(Ordering::SeqCst), 0);
}

async fn echo(RawQuery(query): RawQuery, request: Incoming) -> String {
    let (head, body) = request.into_parts();
    let text = |name| head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or("-");
    let shown = format!(
        "{} {}?{} auth={} type={} referer={}",
        head.method,
        head.uri.path(),
        query.unwrap_or_default(),
        text(header::AUTHORIZATION),
        text(header::CONTENT_TYPE),
        text(header::REFERER)
    );
    let body = axum::body::to_bytes(body, 10_000).await.expect("a small body");
    format!("{shown} body={}", String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn the_token_is_a_header_and_the_proof_goes_where_the_method_wants_it() {
    let base = serve(Router::new().fallback(any(echo))).await;
    let send = async |request: Request| {
        let answer = transport(&base).send(&signed(request)).await.unwrap();
        String::from_utf8(answer.body).unwrap()
    };
    assert_eq!(
        send(Request::get("/v26.0/me").with("fields", "id,name")).await,
        "GET /v26.0/me?fields=id%2Cname&appsecret_proof=proof-secret auth=Bearer EAAB-secret type=- referer=- body="
    );
    assert_eq!(
        send(Request::post("/v26.0/4").form("name", "ä &=+")).await,
        "POST /v26.0/4? auth=Bearer EAAB-secret type=application/x-www-form-urlencoded referer=- \
         body=name=%C3%A4+%26%3D%2B&appsecret_proof=proof-secret"
    );
    let mut delete = Request::post("/v26.0/9");
    delete.method = Method::Delete;
    let text = send(delete).await;
    assert!(text.starts_with("DELETE /v26.0/9?appsecret_proof=proof-secret "), "{text}");
}

#[tokio::test]
async fn an_answer_beyond_the_cap_is_cut_off_also_when_it_is_compressed() {
    async fn plain() -> Vec<u8> {
        vec![b' '; 5_000]
    }
    async fn refusal() -> Outgoing {
        (StatusCode::BAD_REQUEST, vec![b' '; 300 * 1024]).into_response()
    }
    async fn bomb() -> Outgoing {
        // 5 000 blanks in 41 bytes.
        let packed = include_bytes!("data/blanks.gz");
        ([(header::CONTENT_ENCODING, "gzip")], Bytes::from_static(packed)).into_response()
    }
    let app = Router::new()
        .route("/plain", get(plain))
        .route("/refusal", get(refusal))
        .route("/bomb", get(bomb));
    let base = serve(app).await;
    let small = transport(&base).with_body_cap(4_999);
    for path in ["/plain", "/bomb"] {
        let error = small.send(&Request::get(path)).await.unwrap_err();
        assert_eq!(error, TransportError::TooLarge { limit: 4_999 }, "{path}");
    }
    let exact = transport(&base).with_body_cap(5_000);
    for path in ["/plain", "/bomb"] {
        assert_eq!(exact.send(&Request::get(path)).await.unwrap().body.len(), 5_000, "{path}");
    }
    let error = transport(&base).send(&Request::get("/refusal")).await.unwrap_err();
    assert_eq!(error, TransportError::TooLarge { limit: 256 * 1024 });
}

#[tokio::test]
async fn silence_is_lost_and_a_closed_port_is_not_sent() {
    async fn silent() -> &'static str {
        std::future::pending().await
    }
    let base = serve(Router::new().fallback(any(silent))).await;
    for request in [Request::get("/x").with("input_token", "EAAB-secret"), Request::post("/x")] {
        let error = transport(&base).send(&signed(request)).await.unwrap_err();
        assert!(matches!(error, TransportError::Lost(_)), "{error:?}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("timed out") && !text.contains("secret"), "{text}");
    }
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = transport(&format!("http://{free}")).send(&Request::post("/x")).await.unwrap_err();
    assert!(matches!(error, TransportError::NotSent(_)), "{error:?}");
}

#[tokio::test]
async fn a_body_cut_short_is_lost() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = [0; 4_096];
        let _ = stream.read(&mut seen).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":").unwrap();
    });
    let error = transport(&base).send(&Request::post("/x")).await.unwrap_err();
    assert!(matches!(error, TransportError::Lost(_)), "{error:?}");
    server.join().unwrap();
}

#[tokio::test]
async fn html_in_place_of_json_is_lost_and_headers_keep_lower_case_names() {
    async fn html() -> Outgoing {
        let mut headers = HeaderMap::new();
        headers.insert("X-App-Usage", "{\"call_count\":7}".parse().unwrap());
        (headers, "<html>maintenance</html>").into_response()
    }
    let base = serve(Router::new().fallback(any(html))).await;
    let answer = transport(&base).send(&Request::get("/v26.0/act_1")).await.unwrap();
    assert_eq!(answer.header("x-app-usage"), Some("{\"call_count\":7}"));
    let error = rungwise::graph::error::body_of("read x", &answer).unwrap_err();
    assert_eq!((error.class, error.status), (MetaClass::Lost, Some(200)));
}

#[tokio::test]
async fn a_client_reads_an_account_over_http() {
    const ACCOUNT: &str = r#"{"id":"act_1","name":"Shop","currency":"JPY","timezone_name":"Asia/Tokyo",
        "account_status":1,"min_daily_budget":100}"#;
    let base = serve(Router::new().route("/v26.0/act_1", get(|| async { ACCOUNT }))).await;
    let options = Options {
        account: AccountId::new("act_1").unwrap(),
        version: "v26.0".into(),
        points: Some(60),
        marker: "[rw:".into(),
        seed: None,
    };
    let secrets = Secrets::new("EAAB-secret".to_owned().into(), None);
    let link = Link::new(transport(&base), Arc::new(SystemClock), secrets, options);
    let info = Client::new(link).account().await.unwrap();
    assert_eq!((info.currency.as_str(), info.name.as_str()), ("JPY", "Shop"));
}
