//! Whose turn it is on a connection.
//!
//! The one that writes serves one operation at a time. It is not a pool of one, because the driver's pool asks a connection
//! whether it is alive whenever it comes back: a second way to the engine's thread for every statement.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlx::{Connection as _, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{error::failed, open, standing::Standing};
use crate::ports::{AgentHold, StoreError};

/// A connection, and the lock of the agent that uses it.
///
/// The lock is let go when the connection is closed, not when it is dropped: the last connection merges the log into the
/// file, and an agent that starts meanwhile would find a file that is cut short.
struct Held {
    conn: Option<SqliteConnection>,
    hold: Option<Arc<dyn AgentHold>>,
}

const HERE: &str = "a held connection is there until it is dropped";

/// What a connection could not say at its end, the next one to open finds out.
async fn close(conn: SqliteConnection, hold: Option<Arc<dyn AgentHold>>) {
    let _ = conn.close().await;
    drop(hold);
}

impl Held {
    async fn close(mut self) {
        if let Some(conn) = self.conn.take() {
            close(conn, self.hold.take()).await;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Without a runtime the program ends, and the lock with it.
        if let (Some(conn), Ok(runtime)) = (self.conn.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn(close(conn, self.hold.take()));
        }
    }
}

/// Where the connection is while nobody uses it.
enum Place {
    Free(Held),
    /// It was not given back: the next turn makes another.
    Lost,
    /// For good.
    Closed,
}

/// The connection that writes. Clones share it.
#[derive(Clone)]
pub(crate) struct Writer {
    path: PathBuf,
    hold: Option<Arc<dyn AgentHold>>,
    place: Arc<Mutex<Place>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Writer {
    pub(crate) fn new(
        path: &Path,
        conn: SqliteConnection,
        hold: Option<Arc<dyn AgentHold>>,
    ) -> Self {
        let free = Place::Free(Held { conn: Some(conn), hold: hold.clone() });
        Self { path: path.to_owned(), hold, place: Arc::new(Mutex::new(free)) }
    }
    /// Waits for the connection. One that was lost is made anew, to the file that `standing` knows and to no other.
    pub(crate) async fn turn(
        &self,
        doing: &'static str,
        standing: &Standing,
    ) -> Result<Turn, StoreError> {
        let mut place = Arc::clone(&self.place).lock_owned().await;
        let conn = match std::mem::replace(&mut *place, Place::Lost) {
            Place::Free(conn) => conn,
            Place::Lost => {
                standing.check_file()?;
                let conn = open::connect(&self.path).await.map_err(failed(doing))?;
                Held { conn: Some(conn), hold: self.hold.clone() }
            }
            Place::Closed => {
                *place = Place::Closed;
                return Err(failed(doing)(sqlx::Error::PoolClosed));
            }
        };
        Ok(Turn(On::Writer { conn, place }))
    }
    pub(crate) async fn close(&self) {
        let mut place = self.place.lock().await;
        if let Place::Free(held) = std::mem::replace(&mut *place, Place::Closed) {
            held.close().await;
        }
    }
}

/// Where reads come from.
#[derive(Debug)]
pub(crate) enum Reader {
    /// From the connection that writes.
    Writer(Writer),
    /// From some that cannot write.
    Pool(SqlitePool),
}

impl Reader {
    /// Waits for a connection.
    pub(crate) async fn turn(
        &self,
        doing: &'static str,
        standing: &Standing,
    ) -> Result<Turn, StoreError> {
        match self {
            Self::Writer(writer) => writer.turn(doing, standing).await,
            Self::Pool(pool) => {
                let conn = pool.acquire().await.map_err(failed(doing))?;
                Ok(Turn(On::Pool(conn)))
            }
        }
    }
    pub(crate) async fn close(&self) {
        match self {
            Self::Writer(writer) => writer.close().await,
            Self::Pool(pool) => pool.close().await,
        }
    }
}

/// A connection for one operation.
///
/// The writer's is kept only when it is given back with [`Turn::done`]. One that is dropped instead, for an error or because
/// the caller stopped waiting, may be anywhere, and the next turn makes another.
pub(crate) struct Turn(On);

enum On {
    // Dropped in this order: the next one begins when this one has let go.
    Writer { conn: Held, place: OwnedMutexGuard<Place> },
    Pool(PoolConnection<Sqlite>),
}

impl Turn {
    /// Gives the connection back, unless it is still within a transaction: after a full disk the engine has rolled back by
    /// itself, and only a fresh connection heals the driver's count.
    pub(crate) fn done(self) {
        match self.0 {
            On::Writer { conn, mut place } => {
                if conn.conn.as_ref().is_some_and(|conn| !conn.is_in_transaction()) {
                    *place = Place::Free(conn);
                }
            }
            On::Pool(_) => {}
        }
    }
}

impl Deref for Turn {
    type Target = SqliteConnection;
    fn deref(&self) -> &SqliteConnection {
        match &self.0 {
            On::Writer { conn, .. } => conn.conn.as_ref().expect(HERE),
            On::Pool(conn) => conn,
        }
    }
}
impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        match &mut self.0 {
            On::Writer { conn, .. } => conn.conn.as_mut().expect(HERE),
            On::Pool(conn) => conn,
        }
    }
}
