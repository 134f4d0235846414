//! The weather: what is asked of the services, and what happens when they fail.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::Request, response::IntoResponse, routing::any};
use http::{StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::Server;

/// A service that answers like Open-Meteo, and remembers what it was asked.
async fn service(
    answer: impl Fn(&Request) -> axum::response::Response + Clone + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let remembered = Arc::clone(&asked);
    let router = Router::new().fallback(any(move |request: Request| {
        remembered.lock().unwrap().push(request.uri().to_string());
        let response = answer(&request);
        async move { response }
    }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn good(request: &Request) -> axum::response::Response {
    let found = json!({ "results": [{ "name": "Oslo", "country": "Norway", "latitude": 59.91, "longitude": 10.75 }] });
    let current = json!({ "current": { "time": "2026-11-20T12:00", "temperature_2m": -3.5, "relative_humidity_2m": 80, "wind_speed_10m": 11.2, "weather_code": 71 } });
    let body = if request.uri().path() == "/search" {
        found
    } else {
        current
    };
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

async fn ask(url: &str, city: &str) -> Value {
    let server = Server::start(|config| {
        config.weather.geocoding_url = format!("{url}/search").parse().unwrap();
        config.weather.forecast_url = format!("{url}/forecast").parse().unwrap();
        config.weather.timeout_ms = 1_000;
    })
    .await;
    server
        .anonymous()
        .call("weather-get", json!({ "city": city }))
        .await
        .result()
        .clone()
}

#[tokio::test]
async fn the_weather_of_a_city_is_told_in_words_and_as_data() {
    let (url, asked) = service(good).await;
    let result = ask(&url, "Oslo").await;
    assert_eq!(
        result["content"][0]["text"],
        "Oslo, Norway: snow, -3.5 °C, humidity 80 %, wind 11.2 km/h (observed 2026-11-20T12:00)"
    );
    assert_eq!(result["structuredContent"]["temperature_c"], -3.5);
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0], "/search?name=Oslo&count=1&format=json");
    assert!(
        asked[1].starts_with("/forecast?latitude=59.91&longitude=10.75&current="),
        "{}",
        asked[1]
    );
}

#[tokio::test]
async fn a_city_is_data_and_can_change_nothing_else() {
    let (url, asked) = service(good).await;
    for hostile in [
        "Oslo&count=100",
        "../../admin",
        "x#@evil.example/",
        "a?b=c",
        "Oslo%26count=2",
        "São Paulo",
        "http://evil.example",
    ] {
        ask(&url, hostile).await;
        let uri = asked.lock().unwrap().iter().rev().nth(1).unwrap().clone();
        let whole: url::Url = format!("http://localhost{uri}").parse().unwrap();
        assert_eq!(whole.path(), "/search", "{hostile}");
        let pairs: Vec<(String, String)> = whole.query_pairs().into_owned().collect();
        assert_eq!(
            pairs,
            [("name", hostile), ("count", "1"), ("format", "json")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
    }
}

#[tokio::test]
async fn a_failure_is_a_result_that_says_so() {
    type Reply = fn(&Request) -> axum::response::Response;
    let cases: [(&str, Reply); 5] = [
        ("answered 500", |_| {
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }),
        ("answered 302", |_| {
            (
                StatusCode::FOUND,
                [(header::LOCATION, "http://127.0.0.1:1/")],
            )
                .into_response()
        }),
        ("something else", |_| "<html>".into_response()),
        ("answered too much", |_| "x".repeat(300_000).into_response()),
        ("no place called", |_| "{}".into_response()),
    ];
    for (said, answer) in cases {
        let (url, _asked) = service(answer).await;
        let result = ask(&url, "Oslo").await;
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(said), "{text}");
        assert!(
            !text.contains("127.0.0.1"),
            "the service's address is not the caller's business: {text}"
        );
    }
    let unreachable = ask("http://127.0.0.1:9", "Oslo").await;
    assert!(
        unreachable["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("can't be reached"),
        "{unreachable}"
    );
}

#[tokio::test]
async fn a_service_that_hangs_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let result = ask(
        &format!("http://{}", listener.local_addr().unwrap()),
        "Oslo",
    )
    .await;
    assert!(
        result["content"][0]["text"]
            .as_str()
            .unwrap()
            .contains("didn't answer within 1 s"),
        "{result}"
    );
}

#[tokio::test]
async fn what_is_no_city_is_refused_before_anybody_is_asked() {
    let (url, asked) = service(good).await;
    for nothing in ["", "   ", &"x".repeat(101), "Os\nlo"] {
        assert_eq!(ask(&url, nothing).await["isError"], true, "{nothing:?}");
    }
    assert!(asked.lock().unwrap().is_empty());
}
