//! Queries by chance return the same rows on a cluster as on one machine.

use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    cluster::{DIVIDE, both, number, session, stars},
    workers::Worker,
};

/// Queries by chance, of columns k, g and c.
struct Chance {
    random: ChaCha8Rng,
    tables: [String; 3],
}

impl Chance {
    fn new(seed: u64, folder: &Path) -> Self {
        let place = folder.display();
        let tables = ["stars/*.parquet", "stars*.csv", "stars/part3.parquet"].map(|name| format!("'{place}/{name}'"));
        Self { random: ChaCha8Rng::seed_from_u64(seed), tables }
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.random.random_range(0..of.len())]
    }

    fn table(&mut self) -> String {
        let table = self.tables[self.random.random_range(0..3)].clone();
        let rows = self.one(&[
            "",
            " WHERE bp_rp > 1",
            " WHERE source_id % 3 = 1",
            " WHERE bp_rp IS NULL OR phot_g_mean_mag < 15",
        ]);
        format!(
            "(SELECT source_id AS k, CAST(phot_g_mean_mag AS BIGINT) AS g, CAST(bp_rp * 10 AS BIGINT) AS c FROM {table}{rows})"
        )
    }

    /// A query in parentheses, `depth` operations deep.
    fn query(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.table();
        }
        let a = self.query(depth - 1);
        let other = self.random.random_range(0..depth);
        let b = self.query(other);
        let few = self.random.random_range(1..30);
        match self.random.random_range(0..14) {
            0 | 1 => {
                let join = self.one(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                let on = self.one(&["a.k = b.k", "a.k = b.k AND a.g > 12", "a.k = b.k AND a.c < b.c + 1"]);
                format!("(SELECT coalesce(a.k, b.k) AS k, b.g, a.c FROM {a} a {join} {b} b ON {on})")
            }
            2 => {
                let join = self.one(&["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]);
                let some = format!("(SELECT * FROM {b} ORDER BY k, g, c LIMIT {few})");
                let sides = if self.random.random() { [a, some] } else { [some, a] };
                format!("(SELECT a.k, b.g, a.c FROM {} a {join} {} b ON a.c < b.c AND a.g = b.g)", sides[0], sides[1])
            }
            3 => {
                let how = self.one(&["EXISTS", "NOT EXISTS"]);
                format!("(SELECT * FROM {a} a WHERE {how} (SELECT 1 FROM {b} b WHERE b.k = a.k AND b.g > 10))")
            }
            4 => {
                let how = self.one(&["IN", "NOT IN"]);
                format!("(SELECT * FROM {a} a WHERE a.k {how} (SELECT k FROM {b} WHERE k IS NOT NULL))")
            }
            5 => format!("(SELECT min(k) AS k, g, count(*) AS c FROM {a} GROUP BY g)"),
            6 => format!("(SELECT max(k) AS k, min(g) AS g, count(DISTINCT c) AS c FROM {a})"),
            7 => {
                let how = self.one(&["UNION ALL", "UNION", "EXCEPT", "INTERSECT"]);
                format!("(SELECT * FROM {a} {how} SELECT * FROM {b})")
            }
            8 | 9 => {
                format!("(SELECT * FROM {a} ORDER BY k, g, c LIMIT {few} OFFSET {})", self.random.random_range(0..5))
            }
            10 => format!("(SELECT k, g, row_number() OVER (PARTITION BY g ORDER BY k, c) AS c FROM {a})"),
            11 => format!("(SELECT k, rank() OVER (ORDER BY c, k) AS g, sum(c) OVER (PARTITION BY g) AS c FROM {a})"),
            12 => format!("(SELECT k, g, (SELECT max(c) FROM {b}) AS c FROM {a})"),
            _ => format!("(SELECT DISTINCT k % 50 AS k, g, c FROM {a})"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_queries_return_the_same_rows() {
    let count = number("LAMCAT_CLUSTER_QUERIES").unwrap_or(60);
    let folder = stars();
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(folder.path(), &[])).collect();
    let (alone, joined) = (session(&[]), session(&workers));
    joined.sql(DIVIDE).await.unwrap().collect().await.unwrap();
    let mut chance = Chance::new(number("LAMCAT_CLUSTER_SEED").unwrap_or(1), folder.path());
    let mut wrong = Vec::new();
    let (mut stages, mut failed) = (0, 0);
    for _ in 0..count {
        let depth = chance.random.random_range(1..5);
        let query = format!("SELECT * FROM {}", chance.query(depth));
        let [expected, found] = both(&alone, &joined, &query).await;
        failed += usize::from(expected.is_err());
        if expected.is_ok() != found.is_ok() || expected.is_ok() && expected != found {
            let shown = |rows: Result<Vec<String>, String>| {
                rows.map(|rows| (rows.len(), rows.into_iter().take(3).collect::<Vec<_>>()))
            };
            wrong.push(format!("{query}\n  alone:  {:?}\n  joined: {:?}\n", shown(expected), shown(found)));
        }
        if let Ok(plan) = joined.sql(&query).await.unwrap().create_physical_plan().await {
            let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
            stages += text.matches("=> Network").count();
        }
    }
    assert!(wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(stages as u64 > count, "only {stages} boundaries between stages in {count} queries");
    eprintln!("{count} queries, {stages} boundaries between stages, {failed} that fail on one machine too");
}
