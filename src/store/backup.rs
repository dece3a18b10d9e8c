//! A copy of the SQLite file.

use super::db::{Db, Store, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use std::path::Path;

impl Store {
    /// Writes a copy of the database as it is at one moment into an empty file, and looks whether it is sound. Others may go on
    /// reading and writing meanwhile.
    ///
    /// # Errors
    /// [`StoreError`], also if this is no SQLite, or the file is not empty.
    pub async fn copy_to(&self, file: &Path) -> Result<(), StoreError> {
        let Db::Sqlite(database) = &self.db else {
            return Err(StoreError::Refused("only a SQLite file can be copied".to_owned()));
        };
        let Some(name) = file.to_str() else {
            return Err(StoreError::Refused("the file's name is not UTF-8".to_owned()));
        };
        sqlx::query("VACUUM INTO $1").bind(name).execute(&database.pool).await?;
        let options = SqliteConnectOptions::new().filename(file).read_only(true);
        let mut copy = SqliteConnection::connect_with(&options).await?;
        let verdict: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut copy).await?;
        copy.close().await?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(StoreError::Refused(format!("the copy is damaged: {verdict}")))
        }
    }
}
