//! A pipeline's file.

use chrono::DateTime;
use lamcat::pipeline::{Overrides, Pipeline};

use super::FOLDER;

pub fn run(data: &[u8]) {
    FOLDER.with(|folder| {
        folder.write("query.sql", "SELECT source_id, ra, dec FROM stars");
        folder.write("pipeline.toml", data);
        let Ok(pipeline) = Pipeline::load(folder.path().join("pipeline.toml"), &Overrides::default()) else { return };
        let _ = (pipeline.root(), pipeline.cut_input(), format!("{pipeline:?}"));
        if let Some(schedule) = &pipeline.schedule {
            let _ = (schedule.words(), schedule.pattern());
            let times: Vec<_> = schedule.all_after(DateTime::UNIX_EPOCH).take(3).collect();
            assert!(times.is_sorted());
        }
    });
}
