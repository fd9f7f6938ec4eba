//! Who this process is: what a launcher says in the environment.
//!
//! | launcher | rank, size | rank on its machine |
//! |---|---|---|
//! | torchrun, or by hand | `RANK`, `WORLD_SIZE` | `LOCAL_RANK`, `LOCAL_WORLD_SIZE` |
//! | srun | `SLURM_PROCID`, `SLURM_STEP_NUM_TASKS` | `SLURM_LOCALID`, `SLURM_STEP_TASKS_PER_NODE` |
//! | mpirun (Open MPI) | `OMPI_COMM_WORLD_RANK`, `_SIZE` | `OMPI_COMM_WORLD_LOCAL_RANK`, `_LOCAL_SIZE` |
//! | mpirun (MPICH, Intel MPI) | `PMI_RANK`, `PMI_SIZE` | `MPI_LOCALRANKID`, `MPI_LOCALNRANKS` |
//!
//! `MASTER_ADDR` and `MASTER_PORT` say where they meet; torchrun sets them.

use crate::error::{Error, Trouble};

/// A process among those that work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Its number, from 0.
    pub rank: usize,
    /// How many there are.
    pub size: usize,
    /// Its number among those of its machine.
    pub local_rank: usize,
    /// How many its machine has.
    pub local_size: usize,
    /// Machine of the store.
    pub host: String,
    /// Port of the store.
    pub port: u16,
    /// Whether it serves the store; torchrun's agent does so itself.
    pub serves: bool,
    /// Which attempt of the launcher this is, so that nobody meets what is left of an earlier one.
    pub attempt: String,
}

/// Names of what a launcher says: rank, size, and both on the machine.
const LAUNCHERS: [[&str; 4]; 4] = [
    ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"],
    ["SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID", "SLURM_STEP_TASKS_PER_NODE"],
    [
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ],
    ["PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"],
];

impl World {
    /// What the environment says; `None` of a process on its own.
    ///
    /// # Errors
    /// If it says that there are several processes, and not where they meet, or says nonsense.
    pub fn from_environment() -> Result<Option<Self>, Error> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn of(read: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, Error> {
        let said = LAUNCHERS.iter().find(|[rank, size, ..]| read(rank).is_some() && read(size).is_some());
        let Some([rank, size, local_rank, local_size]) = said else { return Ok(None) };
        let number = |name: &str| read(name).map(|text| parse::<usize>(name, &text)).transpose();
        let (rank_of, size_of) = (number(rank)?.unwrap_or(0), number(size)?.unwrap_or(1));
        if rank_of >= size_of {
            return Err(wrong(format!("{rank} is {rank_of} and {size} is {size_of}; ranks count from 0")));
        }
        if size_of == 1 {
            return Ok(None);
        }
        let place = |name: &str| {
            read(name).ok_or_else(|| {
                wrong(format!(
                    "{size} is {size_of}, so that processes have to meet, and {name} is not set; set MASTER_ADDR to the machine of \
                     rank 0 and MASTER_PORT to a free port of it, the same for all, or launch with torchrun"
                ))
            })
        };
        let by_agent = read("TORCHELASTIC_USE_AGENT_STORE").is_some_and(|value| value == "True");
        let parts = ["TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "SLURM_JOB_ID", "SLURM_STEP_ID"];
        Ok(Some(Self {
            rank: rank_of,
            size: size_of,
            local_rank: number(local_rank)?.unwrap_or(rank_of),
            local_size: read(local_size)
                .map(|text| on_machine(local_size, &text, number("SLURM_NODEID")?.unwrap_or(0)))
                .transpose()?
                .unwrap_or(size_of),
            host: place("MASTER_ADDR")?,
            port: parse("MASTER_PORT", &place("MASTER_PORT")?)?,
            serves: rank_of == 0 && !by_agent,
            attempt: parts.iter().filter_map(|name| read(name)).collect::<Vec<_>>().join("."),
        }))
    }
}

/// What `text` says of the machine with this number. SLURM writes `4(x2),3`: four on each of two machines, three on the next.
fn on_machine(name: &str, text: &str, machine: usize) -> Result<usize, Error> {
    let mut machines = Vec::new();
    for part in text.split(',') {
        let (n, times) = part.split_once("(x").unwrap_or((part, "1)"));
        let times = parse::<usize>(name, times.trim_end_matches(')'))?;
        machines.extend(std::iter::repeat_n(parse::<usize>(name, n)?, times.min(machine + 1)));
    }
    Ok(*machines.get(machine).or(machines.first()).unwrap_or(&1))
}

fn parse<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Error> {
    text.trim().parse().map_err(|_| wrong(format!("{name} is {text:?}; expected a number")))
}

fn wrong(message: String) -> Error {
    Error::new(Trouble::Other, message)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(said: &[(&str, &str)]) -> Result<Option<World>, Error> {
        World::of(&|name| said.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    const PLACE: [(&str, &str); 2] = [("MASTER_ADDR", "node1"), ("MASTER_PORT", "29500")];

    #[test]
    fn every_launcher_is_understood() {
        let torchrun = [
            ("RANK", "5"),
            ("WORLD_SIZE", "8"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "4"),
            ("TORCHELASTIC_USE_AGENT_STORE", "True"),
            ("TORCHELASTIC_RESTART_COUNT", "2"),
            ("TORCHELASTIC_RUN_ID", "abc"),
        ];
        let world = of(&[&torchrun[..], &PLACE].concat()).unwrap().unwrap();
        assert_eq!((world.rank, world.size, world.local_rank, world.local_size), (5, 8, 1, 4));
        assert_eq!((world.host.as_str(), world.port, world.serves), ("node1", 29500, false));
        assert_eq!(world.attempt, "abc.2");
        let srun = [
            ("SLURM_PROCID", "0"),
            ("SLURM_STEP_NUM_TASKS", "8"),
            ("SLURM_LOCALID", "0"),
            ("SLURM_STEP_TASKS_PER_NODE", "4(x2)"),
        ];
        let world = of(&[&srun[..], &PLACE].concat()).unwrap().unwrap();
        assert_eq!((world.rank, world.size, world.local_size, world.serves), (0, 8, 4, true));
        let name = "SLURM_STEP_TASKS_PER_NODE";
        let each = (0..4).map(|machine| on_machine(name, "8,4(x2),1", machine).unwrap());
        assert_eq!(each.collect::<Vec<_>>(), [8, 4, 4, 1]);
        assert!(on_machine(name, "8,x", 1).unwrap_err().message.contains("expected a number"));
        let mpirun = [("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")];
        let world = of(&[&mpirun[..], &PLACE].concat()).unwrap().unwrap();
        assert_eq!((world.rank, world.local_rank, world.local_size, world.serves), (1, 1, 2, false));
        let mpich =
            [("PMI_RANK", "1"), ("PMI_SIZE", "2"), ("MPI_LOCALRANKID", "0"), ("MPI_LOCALNRANKS", "1")];
        let world = of(&[&mpich[..], &PLACE].concat()).unwrap().unwrap();
        assert_eq!((world.rank, world.local_rank, world.local_size), (1, 0, 1));
    }

    #[test]
    fn a_process_on_its_own_needs_nothing() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("RANK", "0"), ("WORLD_SIZE", "1")]), Ok(None));
        // A batch script of SLURM, outside of srun.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]), Ok(None));
    }

    #[test]
    fn nonsense_is_told() {
        let message = |said: &[(&str, &str)]| of(said).unwrap_err().message;
        let two = [("RANK", "1"), ("WORLD_SIZE", "2")];
        assert!(
            message(&two)
                .starts_with("WORLD_SIZE is 2, so that processes have to meet, and MASTER_ADDR is not set")
        );
        let port = [("MASTER_ADDR", "node1"), ("MASTER_PORT", "70000")];
        assert_eq!(message(&[&two[..], &port].concat()), "MASTER_PORT is \"70000\"; expected a number");
        assert_eq!(message(&[("RANK", "x"), ("WORLD_SIZE", "2")]), "RANK is \"x\"; expected a number");
        let ranks = [("RANK", "2"), ("WORLD_SIZE", "2")];
        assert_eq!(message(&ranks), "RANK is 2 and WORLD_SIZE is 2; ranks count from 0");
    }
}
