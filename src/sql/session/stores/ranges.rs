//! Returns parts of files from servers that only send whole files.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::{
    StatusCode,
    body::{Body, Frame},
    header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderValue},
};
use object_store::client::{HttpError, HttpResponse, HttpResponseBody};

/// Cuts the part that the header value `range` requests out of an answer with the whole file; other answers are left
/// unchanged.
///
/// # Errors
/// If the answer does not say its length, and breaks off.
pub(super) async fn part(response: HttpResponse, range: &HeaderValue) -> Result<HttpResponse, HttpError> {
    let Some(range) = range.to_str().ok().and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
        return Ok(response);
    };
    if response.status() != StatusCode::OK {
        return Ok(response);
    }
    let (mut parts, mut body) = response.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let length: u64 = if let Some(length) = length {
        length
    } else {
        let bytes = body.bytes().await?;
        let length = bytes.len() as u64;
        body = bytes.into();
        length
    };
    let Some((first, end)) = bounds(range, length) else {
        parts.status = StatusCode::RANGE_NOT_SATISFIABLE;
        return Ok(HttpResponse::from_parts(parts, Bytes::new().into()));
    };
    parts.status = StatusCode::PARTIAL_CONTENT;
    parts.headers.insert(CONTENT_LENGTH, (end - first).into());
    if let Ok(value) = HeaderValue::try_from(format!("bytes {first}-{}/{length}", end - 1)) {
        parts.headers.insert(CONTENT_RANGE, value);
    }
    let body = HttpResponseBody::new(Part { body, skip: first, left: end - first });
    Ok(HttpResponse::from_parts(parts, body))
}

/// The first byte and the end of `10-19`, `10-` and `-10` in a file; `None` if the file has no bytes there.
fn bounds((first, last): (&str, &str), length: u64) -> Option<(u64, u64)> {
    let (first, end) = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) => (first, last.saturating_add(1).min(length)),
        (Ok(first), Err(_)) => (first, length),
        (Err(_), Ok(tail)) => (length.saturating_sub(tail), length),
        (Err(_), Err(_)) => return None,
    };
    (first < end).then_some((first, end))
}

/// A part of a body.
struct Part {
    body: HttpResponseBody,
    /// Bytes before the part that are still to come.
    skip: u64,
    /// Bytes of the part that are still to come.
    left: u64,
}

impl Body for Part {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        while self.left > 0 {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                end => return Poll::Ready(end),
            };
            let Ok(mut bytes) = frame.into_data() else { continue };
            let skipped = self.skip.min(bytes.len() as u64);
            let _ = bytes.split_to(skipped as usize);
            self.skip -= skipped;
            bytes.truncate(self.left.min(bytes.len() as u64) as usize);
            self.left -= bytes.len() as u64;
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_part_of_a_whole_file_is_cut_out() {
        for (range, expected, status) in [
            ("bytes=0-0", "0", StatusCode::PARTIAL_CONTENT),
            ("bytes=2-4", "234", StatusCode::PARTIAL_CONTENT),
            ("bytes=7-", "789", StatusCode::PARTIAL_CONTENT),
            ("bytes=-3", "789", StatusCode::PARTIAL_CONTENT),
            ("bytes=8-99", "89", StatusCode::PARTIAL_CONTENT),
            ("bytes=10-12", "", StatusCode::RANGE_NOT_SATISFIABLE),
        ] {
            for told in [true, false] {
                let mut whole = HttpResponse::new("0123456789".to_owned().into());
                if told {
                    whole.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("10"));
                }
                let part = part(whole, &HeaderValue::from_static(range)).await.unwrap();
                assert_eq!(part.status(), status, "{range}");
                let bytes = part.into_body().bytes().await.unwrap();
                assert_eq!(bytes, expected, "{range}");
            }
        }
    }
}
