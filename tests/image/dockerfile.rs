//! The instructions of a Dockerfile.

/// Instructions in order: name and the rest, continued lines joined.
pub(crate) struct Dockerfile(Vec<(String, String)>);

impl Dockerfile {
    pub(crate) fn parse(text: &str) -> Self {
        let joined = text.replace("\\\n", " ");
        let instructions = joined
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once(' '))
            .map(|(name, rest)| {
                let rest: Vec<_> = rest.split_whitespace().collect();
                (name.to_owned(), rest.join(" "))
            });
        Self(instructions.collect())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let found = self.0.iter().filter(|(found, _)| found == name);
        found.map(|(_, rest)| rest.as_str()).collect()
    }

    /// The last instruction of this name.
    pub(crate) fn last(&self, name: &str) -> String {
        (*self.all(name).last().expect(name)).to_owned()
    }

    /// The last instruction of this name, in its JSON form: no shell takes part.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        serde_json::from_str(&self.last(name)).expect(name)
    }

    /// Images that stages begin with.
    pub(crate) fn froms(&self) -> Vec<&str> {
        self.all("FROM")
    }

    /// The command of the health check.
    pub(crate) fn health_check(&self) -> Vec<String> {
        let rest = self.last("HEALTHCHECK");
        let (_, command) = rest.split_once("CMD ").expect("a command");
        serde_json::from_str(command).expect("a command without a shell")
    }

    /// Sources of copies that do not come from another stage.
    pub(crate) fn copied_from_context(&self) -> Vec<String> {
        let mut sources = Vec::new();
        for rest in self.all("COPY") {
            if rest.contains("--from=") {
                continue;
            }
            let mut words: Vec<_> = rest.split(' ').map(str::to_owned).collect();
            words.pop();
            sources.extend(words);
        }
        sources
    }

    /// Where this file of the context is copied to.
    pub(crate) fn destination_of(&self, source: &str) -> String {
        let copies = self.all("COPY").into_iter();
        let copy = copies.map(|rest| rest.split(' ').collect::<Vec<_>>());
        let found = copy.into_iter().find(|words| words[0] == source);
        found.expect(source)[1].to_owned()
    }
}
