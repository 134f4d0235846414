//! `weather-get`: the weather in a city, from Open-Meteo, which needs no key.
//!
//! The city is data on its way into a URL. It goes in as one encoded query value, so it can't
//! change the host, the path or another parameter; redirects aren't followed; and the answer's
//! size and time are bounded.

use std::{fmt, sync::OnceLock, time::Duration};

use futures_util::StreamExt as _;
use rmcp::model::ToolAnnotations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use url::Url;

use super::{Answer, Tool, ToolContext, ToolError, untrusted};
use crate::config::Weather;

/// No answer of these services is near this.
const MAX_ANSWER: usize = 256 << 10;
/// The longest place name in the world has 85 letters.
const MAX_CITY: usize = 100;

/// The tool.
#[derive(Debug)]
pub struct WeatherGet {
    http: OnceLock<reqwest::Client>,
    geocoding: Url,
    forecast: Url,
    time_out: Duration,
}

/// What it takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The city, such as `Oslo` or `San Francisco`.
    #[schemars(length(min = 1, max = 100))]
    city: String,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The place that was found.
    city: String,
    /// Its country; empty when unknown.
    country: String,
    /// Degrees north.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
    /// Air temperature two metres above ground, in °C.
    temperature_c: f64,
    /// Relative humidity, in percent.
    humidity_percent: f64,
    /// Wind ten metres above ground, in km/h.
    wind_kmh: f64,
    /// The sky, in words.
    conditions: String,
    /// When it was measured, in the place's own time.
    observed_at: String,
}

impl WeatherGet {
    /// Asks these services.
    pub fn new(settings: &Weather) -> Self {
        Self {
            http: OnceLock::new(),
            geocoding: settings.geocoding_url.clone(),
            forecast: settings.forecast_url.clone(),
            time_out: Duration::from_millis(settings.timeout_ms),
        }
    }

    /// The client, made when the weather is first asked for: reading the machine's certificate
    /// authorities takes as long as the whole rest of the server's start.
    fn http(&self) -> Result<&reqwest::Client, String> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let http = crate::outbound::client(&[&self.geocoding, &self.forecast])?;
        Ok(self.http.get_or_init(|| http))
    }

    async fn weather(&self, city: &str) -> Result<Output, ToolError> {
        let mut url = self.geocoding.clone();
        url.query_pairs_mut()
            .append_pair("name", city)
            .append_pair("count", "1")
            .append_pair("format", "json");
        let found: Places = self.get(url, "geocoding").await?;
        let place = found.results.into_iter().next().ok_or_else(|| {
            ToolError(format!("no place called \"{}\" was found: check the spelling, or name a larger city nearby", plain(city)))
        })?;

        let mut url = self.forecast.clone();
        url.query_pairs_mut()
            .append_pair("latitude", &place.latitude.to_string())
            .append_pair("longitude", &place.longitude.to_string())
            .append_pair(
                "current",
                "temperature_2m,relative_humidity_2m,wind_speed_10m,weather_code",
            )
            .append_pair("timezone", "auto");
        let Forecast { current } = self.get(url, "forecast").await?;
        Ok(Output {
            city: plain(&place.name),
            country: plain(&place.country.unwrap_or_default()),
            latitude: place.latitude,
            longitude: place.longitude,
            temperature_c: current.temperature_2m,
            humidity_percent: current.relative_humidity_2m,
            wind_kmh: current.wind_speed_10m,
            conditions: in_words(current.weather_code).to_owned(),
            observed_at: plain(&current.time),
        })
    }

    async fn get<T: DeserializeOwned>(&self, url: Url, what: &str) -> Result<T, ToolError> {
        // Why isn't the caller's business: it goes to the log.
        let failed = |error: &dyn fmt::Display, said: &str| {
            tracing::warn!(%error, "the weather service's {what} failed");
            ToolError(format!(
                "the weather service's {what} {said}: the weather isn't known right now"
            ))
        };
        // Without the URL, which says what the caller asked.
        let broken = |error: reqwest::Error, said: &str| {
            failed(
                &format!("{:#}", anyhow::Error::from(error.without_url())),
                said,
            )
        };
        let response = self
            .http()
            .map_err(|error| failed(&error, "can't be asked"))?
            .get(url)
            .send()
            .await
            .map_err(|error| broken(error, "can't be reached"))?;
        let status = response.status();
        if !status.is_success() {
            return Err(failed(&status, &format!("answered {}", status.as_u16())));
        }
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| broken(error, "broke off"))?;
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(failed(&"too long", "answered too much"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body)
            .map_err(|error| failed(&error, "answered something else than was asked"))
    }
}

impl Tool for WeatherGet {
    type Input = Input;
    type Output = Output;

    const NAME: &'static str = "weather-get";
    const TITLE: &'static str = "Weather";
    const DESCRIPTION: &'static str = "Tells the current weather in a city, from Open-Meteo.";

    fn annotations(&self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(true)
            .idempotent(true)
            .open_world(true)
    }

    async fn call(&self, input: Input, _context: ToolContext) -> Result<Answer<Output>, ToolError> {
        let city = input.city.trim();
        if city.is_empty() || city.chars().count() > MAX_CITY || city.chars().any(char::is_control)
        {
            return Err(ToolError(format!(
                "city must be a name of 1 to {MAX_CITY} characters, such as Oslo"
            )));
        }
        let weather = tokio::time::timeout(self.time_out, self.weather(city))
            .await
            .map_err(|_elapsed| {
                ToolError(format!(
                    "the weather service didn't answer within {} s: try again later",
                    self.time_out.as_secs_f64()
                ))
            })??;
        let place = if weather.country.is_empty() {
            weather.city.clone()
        } else {
            format!("{}, {}", weather.city, weather.country)
        };
        let text = format!(
            "{place}: {}, {} °C, humidity {} %, wind {} km/h (observed {})",
            weather.conditions,
            weather.temperature_c,
            weather.humidity_percent,
            weather.wind_kmh,
            weather.observed_at
        );
        Ok(Answer {
            text,
            data: weather,
        })
    }
}

/// What comes from outside is shown to people and models: on one line, and short.
fn plain(text: &str) -> String {
    untrusted::line(text, MAX_CITY)
}

#[derive(Deserialize)]
struct Places {
    #[serde(default)]
    results: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    name: String,
    country: Option<String>,
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
struct Forecast {
    current: Current,
}

#[derive(Deserialize)]
struct Current {
    time: String,
    temperature_2m: f64,
    relative_humidity_2m: f64,
    wind_speed_10m: f64,
    weather_code: u16,
}

/// WMO code table 4677, as Open-Meteo uses it.
fn in_words(code: u16) -> &'static str {
    match code {
        0 => "clear sky",
        1 => "mainly clear",
        2 => "partly cloudy",
        3 => "overcast",
        45 | 48 => "fog",
        51 | 53 | 55 => "drizzle",
        56 | 57 => "freezing drizzle",
        61 | 63 | 65 => "rain",
        66 | 67 => "freezing rain",
        71 | 73 | 75 => "snow",
        77 => "snow grains",
        80..=82 => "rain showers",
        85 | 86 => "snow showers",
        95 => "thunderstorm",
        96 | 99 => "thunderstorm with hail",
        _ => "unknown conditions",
    }
}
