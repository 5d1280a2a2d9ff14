//! Undecoded messages: FileSend's two wire types under one method name.
//!
//! The daemon's local exporter streams [`Packet`](crate::fsutil::Packet)s, its tar-like exporters stream
//! [`BytesMessage`](crate::filesync::BytesMessage)s, both as `moby.filesync.v1.FileSend/DiffCopy`. A server looks at
//! the request's metadata first and decodes with `prost::Message::decode` then.

use prost::bytes::{Buf, BufMut};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::pedantic,
    clippy::use_self
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/raw/moby.filesync.v1.FileSend.rs"));
}

pub use generated::file_send_client::FileSendClient;
pub use generated::file_send_server::{FileSend, FileSendServer};

/// Hands message bytes through as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self::Encoder {
        *self
    }

    fn decoder(&mut self) -> Self::Decoder {
        *self
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Self::Item, buf: &mut EncodeBuf<'_>) -> Result<(), Self::Error> {
        buf.put_slice(&item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buf: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Self::Error> {
        let mut item = vec![0; buf.remaining()];
        buf.copy_to_slice(&mut item);
        Ok(Some(item))
    }
}
