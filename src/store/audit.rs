//! The audit chain on disk: appended within each batch, verified as a stream.

use sqlx::SqliteConnection;

use super::{
    commit::{run, sha256},
    dialect,
    error::failed,
    personal,
    rows::Got,
    sql,
    sqlite::SqliteStore,
};
use crate::{
    domain::{
        Moment,
        audit::{ChainBreak, Head, Link, LinkHash},
    },
    ports::StoreError,
};

/// Links read at a time while verifying: keeps memory flat and read transactions short.
const PAGE: u32 = 2_000;

/// Why the chain could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It was read, and it is broken.
    #[error(transparent)]
    Broken(#[from] ChainBreak),
    /// The tables and their guards are not the ones the chain recorded.
    #[error(
        "the database's schema ({found}) is not the one recorded in the audit chain ({recorded}): a table, index or \
         guard was added, dropped or altered"
    )]
    Schema {
        /// As recorded.
        recorded: String,
        /// As it is.
        found: String,
    },
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds the next link after the row that is the head within this transaction; the link is the head from then on.
pub(crate) async fn append(
    conn: &mut SqliteConnection,
    at: Moment,
    kind: &str,
    body: &[u8],
) -> Result<Head, StoreError> {
    let doing = "writing the audit log";
    let head = newest(conn).await?;
    let body = personal::tokenised(conn, kind, body).await?;
    let link = Link::after(&head, at, kind, body);
    let put = sqlx::query(sql::AUDIT_PUT)
        .bind(link.seq)
        .bind(link.at.millis())
        .bind(&link.kind)
        .bind(&link.body)
        .bind(link.prev.as_str())
        .bind(link.hash.as_str());
    run(conn, doing, put).await?;
    Ok(Head { seq: link.seq, hash: link.hash })
}

/// The newest link as head, as this connection sees it.
pub(crate) async fn newest(conn: &mut SqliteConnection) -> Result<Head, StoreError> {
    let doing = "reading the audit log's head";
    let row = sqlx::query(sql::AUDIT_HEAD).fetch_optional(conn).await.map_err(failed(doing))?;
    row.map_or_else(|| Ok(Head::genesis()), |row| head_of(&Got::new(&row, doing)))
}

/// The hash of one link, if it is there.
pub(crate) async fn hash_at(
    conn: &mut SqliteConnection,
    seq: i64,
) -> Result<Option<LinkHash>, StoreError> {
    let doing = "reading the audit log";
    let get = sqlx::query(sql::AUDIT_LINK_HASH).bind(seq);
    let row = get.fetch_optional(conn).await.map_err(failed(doing))?;
    row.map(|row| Got::new(&row, doing).text("hash").map(LinkHash::stored)).transpose()
}

fn head_of(got: &Got<'_>) -> Result<Head, StoreError> {
    Ok(Head { seq: got.int("seq")?, hash: LinkHash::stored(got.text("hash")?) })
}

async fn links(
    conn: &mut SqliteConnection,
    after: i64,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let doing = "reading the audit log";
    let get = sqlx::query(sql::AUDIT_LINKS).bind(after).bind(i64::from(limit));
    let rows = get.fetch_all(conn).await.map_err(failed(doing))?;
    let link = |got: &Got<'_>| {
        Ok(Link {
            seq: got.int("seq")?,
            at: got.moment("at")?,
            kind: got.text("kind")?,
            body: got.blob("body")?,
            prev: LinkHash::stored(got.text("prev")?),
            hash: LinkHash::stored(got.text("hash")?),
        })
    };
    rows.iter().map(|row| link(&Got::new(row, doing))).collect()
}

/// Walks the chain after `from` and returns its head; every one of `anchors` after `from` must be a link of it.
pub(crate) async fn verify(
    conn: &mut SqliteConnection,
    from: Head,
    anchors: &[Head],
) -> Result<Head, AuditError> {
    let mut anchors: Vec<&Head> = anchors.iter().filter(|a| a.seq > from.seq).collect();
    anchors.sort_by_key(|a| a.seq);
    let mut anchors = anchors.into_iter().peekable();
    let mut head = from;
    loop {
        // A gap at the end of a page shows as one: the next page starts after the last number seen.
        let links = links(conn, head.seq, PAGE).await?;
        if links.is_empty() {
            break;
        }
        for link in &links {
            head = link.verify(&head)?;
            while let Some(anchor) = anchors.next_if(|a| a.seq == head.seq) {
                if anchor.hash != head.hash {
                    return Err(ChainBreak::Rewritten { seq: head.seq }.into());
                }
            }
        }
    }
    match anchors.last() {
        Some(anchor) => Err(ChainBreak::Cut { seq: head.seq, anchored: anchor.seq }.into()),
        None => Ok(head),
    }
}

impl SqliteStore {
    pub(crate) async fn audit_head(&self) -> Result<Head, StoreError> {
        let doing = "reading the audit log's head";
        let row = self.row(doing, sqlx::query(sql::AUDIT_HEAD)).await?;
        row.map_or_else(|| Ok(Head::genesis()), |row| head_of(&Got::new(&row, doing)))
    }

    pub(crate) async fn audit_links(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        let mut conn = self.read_connection("reading the audit log").await?;
        let links = links(&mut conn, after, limit).await?;
        conn.done();
        Ok(links)
    }

    /// Verifies the whole chain, whatever its length, in flat memory. Returns its head.
    pub async fn verify_audit(&self) -> Result<Head, AuditError> {
        self.verify_audit_against(&[]).await
    }

    /// Verifies the whole chain, and that every head in `anchors` (in any order) is a link of it.
    pub async fn verify_audit_against(&self, anchors: &[Head]) -> Result<Head, AuditError> {
        let mut conn = self.read_connection("reading the audit log").await?;
        let head = verify(&mut conn, Head::genesis(), anchors).await?;
        conn.done();
        Ok(head)
    }

    /// Verifies the links after a `checkpoint` known to be good, and that the checkpoint itself is still in place.
    pub async fn verify_audit_from(&self, checkpoint: &Head) -> Result<Head, AuditError> {
        let mut conn = self.read_connection("reading the audit log").await?;
        if checkpoint.seq > 0 {
            match hash_at(&mut conn, checkpoint.seq).await? {
                None => {
                    let seq = newest(&mut conn).await?.seq;
                    return Err(ChainBreak::Cut { seq, anchored: checkpoint.seq }.into());
                }
                Some(hash) if hash != checkpoint.hash => {
                    return Err(ChainBreak::Rewritten { seq: checkpoint.seq }.into());
                }
                Some(_) => {}
            }
        }
        let head = verify(&mut conn, checkpoint.clone(), &[]).await?;
        conn.done();
        Ok(head)
    }

    /// Digest of the whole schema: changes when a table, index or trigger is added, dropped or altered. The agent puts
    /// it into the audit chain and compares it at start and on each tick.
    pub async fn schema_digest(&self) -> Result<String, StoreError> {
        let mut conn = self.read_connection("reading the schema").await?;
        let digest = schema_digest(&mut conn).await?;
        conn.done();
        Ok(digest)
    }
}

pub(crate) async fn schema_digest(conn: &mut SqliteConnection) -> Result<String, StoreError> {
    let doing = "reading the schema";
    let rows = sqlx::query(dialect::SCHEMA).fetch_all(conn).await.map_err(failed(doing))?;
    let mut text = String::new();
    for row in &rows {
        let got = Got::new(row, doing);
        for column in ["type", "name", "tbl_name", "sql"] {
            text.push_str(&got.text(column)?);
            text.push('\0');
        }
    }
    Ok(sha256(text.as_bytes()))
}
