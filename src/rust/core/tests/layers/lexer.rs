//! A lexer for Rust source that keeps names, path separators, punctuation and string literals.
//!
//! Comments, numbers, characters and lifetimes are dropped, and so is every item under `#[cfg(test)]`: unit tests may
//! use any module.

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Name(String),
    Text(String),
    PathSeparator,
    Sign(char),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Lexer {
    source: Vec<char>,
    at: usize,
    line: usize,
    tokens: Vec<Token>,
}

/// The tokens of a source file.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut lexer = Lexer { source: source.chars().collect(), at: 0, line: 1, tokens: Vec::new() };
    while lexer.at < lexer.source.len() {
        lexer.next();
    }
    lexer.tokens
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.source.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn advance(&mut self, count: usize) {
        let end = (self.at + count).min(self.source.len());
        self.line += self.source[self.at..end].iter().filter(|c| **c == '\n').count();
        self.at = end;
    }

    fn push(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, line: self.line });
    }

    fn next(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while self.at < self.source.len() && self.peek(0) != '\n' {
                    self.advance(1);
                }
            }
            ('/', '*') => self.block_comment(),
            (':', ':') => {
                self.push(Kind::PathSeparator);
                self.advance(2);
            }
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            (c, _) if c.is_whitespace() => self.advance(1),
            (c, _) if is_name(c) => self.word(),
            (c, _) => {
                self.push(Kind::Sign(c));
                self.advance(1);
            }
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    depth += 1;
                    self.advance(2);
                }
                ('*', '/') => {
                    depth -= 1;
                    self.advance(2);
                }
                _ => self.advance(1),
            }
            if depth == 0 || self.at == self.source.len() {
                return;
            }
        }
    }

    fn string(&mut self) {
        let mut text = String::new();
        self.advance(1);
        while self.at < self.source.len() && self.peek(0) != '"' {
            let escaped = self.peek(0) == '\\';
            text.push(self.peek(usize::from(escaped)));
            self.advance(1 + usize::from(escaped));
        }
        self.push(Kind::Text(text));
        self.advance(1);
    }

    fn raw_string(&mut self, hashes: usize) {
        let mut text = String::new();
        self.advance(hashes + 1);
        let closes = |lexer: &Self| lexer.peek(0) == '"' && (1..=hashes).all(|ahead| lexer.peek(ahead) == '#');
        while self.at < self.source.len() && !closes(self) {
            text.push(self.peek(0));
            self.advance(1);
        }
        self.push(Kind::Text(text));
        self.advance(hashes + 1);
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            self.advance(3);
            while self.at < self.source.len() && self.peek(0) != '\'' {
                self.advance(1);
            }
            self.advance(1);
        } else if self.peek(2) == '\'' {
            self.advance(3);
        } else {
            self.advance(1);
            while is_name(self.peek(0)) {
                self.advance(1);
            }
        }
    }

    /// A name, a number, or the prefix of a literal.
    fn word(&mut self) {
        let mut word = String::new();
        while is_name(self.peek(0)) {
            word.push(self.peek(0));
            self.advance(1);
        }
        let hashes = (0..).take_while(|&ahead| self.peek(ahead) == '#').count();
        match word.as_str() {
            "r" | "br" | "cr" if self.peek(hashes) == '"' => self.raw_string(hashes),
            "b" | "c" if self.peek(0) == '"' => self.string(),
            "b" if self.peek(0) == '\'' => self.quote(),
            "r" if hashes == 1 => self.advance(1),
            _ if word.starts_with(|c: char| c.is_ascii_digit()) => self.push(Kind::Sign('0')),
            _ => self.push(Kind::Name(word)),
        }
    }
}

/// The tokens without the items under `#[cfg(test)]`, and the names of the files that hold such modules.
pub(crate) fn without_tests(tokens: Vec<Token>) -> (Vec<Token>, Vec<String>) {
    let (mut kept, mut files, mut at) = (Vec::new(), Vec::new(), 0);
    while at < tokens.len() {
        let end = attribute_end(&tokens, at);
        let has = |word: &str| tokens[at..end].iter().any(|token| token.name() == Some(word));
        if has("cfg") && has("test") && !has("not") {
            let item = item_end(&tokens, end);
            files.extend(module_file(&tokens[end..item]));
            at = item;
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    (kept, files)
}

/// Past the attribute that starts at `at`; `at` if there is none.
fn attribute_end(tokens: &[Token], at: usize) -> usize {
    let starts = tokens[at].is('#') && tokens.get(at + 1).is_some_and(|token| token.is('['));
    if starts {
        matching(tokens, at + 1, '[', ']')
    } else {
        at
    }
}

/// Past the item that starts at `at`, its other attributes included.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    while at < tokens.len() {
        let next = attribute_end(tokens, at);
        if next > at {
            at = next;
        } else if tokens[at].is('{') {
            at = matching(tokens, at, '{', '}');
            // A nested `use` ends with a semicolon after the brace.
            return at + usize::from(tokens.get(at).is_some_and(|token| token.is(';')));
        } else if tokens[at].is(';') {
            return at + 1;
        } else {
            at += 1;
        }
    }
    at
}

/// Past the bracket that closes the one at `at`.
pub(crate) fn matching(tokens: &[Token], at: usize, open: char, close: char) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        depth += i32::from(token.is(open)) - i32::from(token.is(close));
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// The file of a `mod name;`, from its `#[path]` if it has one.
fn module_file(item: &[Token]) -> Option<String> {
    if item.iter().any(|token| token.is('{')) {
        return None;
    }
    let text = item.iter().find_map(|token| match &token.kind {
        Kind::Text(text) => Some(text.clone()),
        _ => None,
    });
    let name = item.windows(2).find(|pair| pair[0].name() == Some("mod")).and_then(|pair| pair[1].name());
    name.map(|name| text.unwrap_or_else(|| format!("{name}.rs")))
}
