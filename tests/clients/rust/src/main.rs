//! The client that progenitor generates, used: `generated-client URL TOKEN`. It fails where anything is not so.

use futures::StreamExt;
use progenitor_client::{ByteStream, Error};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};

use api::Client;
use api::types::{self, ApplyBody, Job, Problem, TasksSize};

mod api {
    progenitor::generate_api!(spec = "document.json", interface = Builder);
}

type Whatever = Box<dyn std::error::Error>;

fn client(url: &str, token: Option<&str>) -> Result<Client, Whatever> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
    }
    let http = reqwest::Client::builder().default_headers(headers).build()?;
    Ok(Client::new_with_client(url, http))
}

fn of(function: &str, args: Value) -> types::builder::ApplyBody {
    let args: Vec<Value> = args.as_array().cloned().unwrap_or_default();
    ApplyBody::builder().function(function).args(args)
}

/// The problem that the server answered: progenitor leaves bodies of this media type to be read.
async fn problem<T>(answered: Result<T, Error<ByteStream>>) -> Result<Problem, Whatever> {
    let Err(Error::ErrorResponse(response)) = answered else { return Err("that was no problem".into()) };
    let mut pieces = response.into_inner().into_inner();
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece?);
    }
    Ok(serde_json::from_slice(&body)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Whatever> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, url, token] = arguments.as_slice() else { return Err("give URL TOKEN".into()) };
    let client = client(url, Some(token))?;
    jobs(&client).await?;
    failures(&client).await?;
    typed(&client).await?;
    for stranger in [None, Some(format!("not-{token}"))] {
        let outside = self::client(url, stranger.as_deref())?;
        let refused = problem(outside.apply().body(of("tasks.square", json!([1]))).send().await).await?;
        assert_eq!((refused.status, refused.code.as_str()), (401, "unauthorized"));
    }
    println!("progenitor: all well");
    Ok(())
}

/// Submit, wait, result.
async fn jobs(client: &Client) -> Result<(), Whatever> {
    let job: Job = client.apply_async().body(of("tasks.square", json!([20]))).send().await?.into_inner();
    let done = client.get_job().id(&job.id).wait(10.0).send().await?.into_inner();
    assert_eq!((done.state.as_str(), done.successful), ("succeeded", Some(true)));
    let value = client.get_result().id(&job.id).timeout(1.0).send().await?.into_inner();
    assert_eq!(value, json!(400));
    let body = types::MapBody::builder().function("tasks.square").iterable([1, 2, 3].map(Value::from));
    assert_eq!(client.map().body(body).send().await?.into_inner(), [1, 4, 9].map(Value::from));
    Ok(())
}

/// The function's error, timeout, cancel.
async fn failures(client: &Client) -> Result<(), Whatever> {
    let raised = problem(client.apply().body(of("tasks.fail", json!(["no"]))).send().await).await?;
    assert_eq!((raised.status, raised.code.as_str()), (422, "function-raised"));
    let exception = raised.exception.ok_or("no exception")?;
    assert_eq!((exception.type_.as_str(), exception.message.as_str()), ("ValueError", "no"));
    let slow = client.apply_async().body(of("tasks.nap", json!([30]))).send().await?.into_inner();
    let late = problem(client.get_result().id(&slow.id).timeout(0.2).send().await).await?;
    assert_eq!((late.status, late.title.as_str()), (408, "TimeoutError"));
    let ended = client.cancel_job().id(&slow.id).send().await?.into_inner();
    assert_eq!(ended.state, "cancelled");
    assert_eq!(ended.error.map(|error| error.code).as_deref(), Some("cancelled"));
    Ok(())
}

/// A function with types of its own.
async fn typed(client: &Client) -> Result<(), Whatever> {
    let size = TasksSize { width: 3, height: 4 };
    let body = types::TasksThumbnailArguments::builder().image("cat").size(size.clone());
    let body = body.fit(types::TasksThumbnailArgumentsFit::Contain).on(chrono::NaiveDate::from_ymd_opt(2026, 2, 3));
    let made = client.tasks_thumbnail().run_timeout(5.0).body(body).send().await?.into_inner();
    assert_eq!((made.name.as_str(), made.size.width, made.size.height), ("cat.png", 3, 4));
    assert_eq!((made.fit.as_str(), made.made_on.to_string().as_str()), ("contain", "2026-02-03"));
    let squared = client.tasks_square().body(types::TasksSquareArguments { x: 12 }).send().await?.into_inner();
    assert_eq!(squared, 144);
    let body = types::TasksThumbnailArguments::builder().image("dog").size(size);
    let job = client.tasks_thumbnail_async().body(body).send().await?.into_inner();
    let value = client.get_result().id(&job.id).send().await?.into_inner();
    assert_eq!(value["name"], "dog.png");
    Ok(())
}
