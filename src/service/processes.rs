//! Processes by request: started, shown, joined, signalled.

use std::sync::Arc;
use std::time::Duration;

use super::Service;
use super::answer::{Answer, Printed};
use super::refusal::Refusal;
use super::request::{ProcessSignal, WantedProcess};
use crate::processes::{NewProcess, ProcessHandle, ProcessId};

impl Service {
    /// Returns once it is about to call its function.
    pub(super) async fn start_process(&self, wanted: WantedProcess) -> Result<Answer, Refusal> {
        let parts = self.parts_for_work()?;
        let function = Arc::clone(&parts.function(&wanted.target)?.description);
        self.answers.admit()?;
        let new = NewProcess {
            target: Arc::clone(&function.name),
            runtime: function.runtime,
            arguments: wanted.arguments,
            keywords: wanted.keywords,
            name: wanted.name,
            daemon: wanted.daemon,
            room: wanted.room,
        };
        match parts.processes.start(new).await {
            Ok(handle) => Ok(Answer::ProcessStarted(handle)),
            Err(reason) => Err(Refusal::NotStarted { target: Arc::clone(&function.name), reason }),
        }
    }

    pub(super) fn process(&self, id: &str) -> Result<Arc<ProcessHandle>, Refusal> {
        let processes = &self.parts()?.processes;
        let found = ProcessId::parse(id).and_then(|id| processes.get(id));
        found.ok_or(Refusal::UnknownProcess)
    }

    pub(super) fn list_processes(&self, limit: usize, cursor: Option<ProcessId>) -> Result<Answer, Refusal> {
        Ok(Answer::Processes(self.parts()?.processes.list(limit, cursor)))
    }

    /// `Process.join(timeout)`.
    pub(super) async fn join_process(&self, id: &str, timeout: Duration) -> Result<Answer, Refusal> {
        let handle = self.process(id)?;
        let _ = tokio::time::timeout(timeout, handle.ended()).await;
        Ok(Answer::Process(handle))
    }

    pub(super) fn signal_process(&self, id: &str, signal: ProcessSignal) -> Result<Answer, Refusal> {
        let handle = self.process(id)?;
        match signal {
            ProcessSignal::Terminate => handle.terminate(),
            ProcessSignal::Kill => handle.kill(),
        }
        Ok(Answer::Process(handle))
    }

    pub(super) fn process_output(&self, id: &str) -> Result<Answer, Refusal> {
        let (bytes, cut) = self.process(id)?.output();
        Ok(Answer::Printed(Printed { who: "process", bytes, cut }))
    }
}
