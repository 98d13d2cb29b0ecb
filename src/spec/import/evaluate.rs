//! The value of a Terraform expression, where it stands in the module's own files.

use std::collections::BTreeMap;
use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, FuncCall, ObjectKey, Traversal, TraversalOperator};
use hcl_edit::template::{Element, Template};
use serde_json::{Map, Number, Value};

use crate::spec::render::yaml;
use crate::spec::source::SourceTree;

/// How far values may lead to other values.
const DEPTH: usize = 40;
/// How many values may be worked out for one resource: names may lead to names many times over.
const STEPS: usize = 100_000;

/// What keeps a value from being known, and where.
#[derive(Debug)]
pub struct Refused {
    /// What it is, for a sentence.
    pub what: String,
    /// Where, in bytes; `None` where it is in another file.
    pub span: Option<Range<usize>>,
}

/// What a module's expressions may name.
pub struct Scope<'a> {
    /// Every file.
    pub tree: &'a SourceTree,
    /// The module's folder.
    pub folder: &'a str,
    /// Variables with their values; `None` for one without. Sensitive ones are not among them.
    pub variables: BTreeMap<&'a str, Option<&'a Expression>>,
    /// Local values.
    pub locals: BTreeMap<&'a str, &'a Expression>,
}

impl<'a> Scope<'a> {
    /// A module that declares nothing.
    pub fn default_in(tree: &'a SourceTree, folder: &'a str) -> Self {
        Self { tree, folder, variables: BTreeMap::new(), locals: BTreeMap::new() }
    }
}

/// Works values out, and notes which variables were asked for.
pub struct Evaluator<'a> {
    scope: &'a Scope<'a>,
    depth: usize,
    steps: usize,
    /// The variables whose values were taken, and where.
    pub defaults: BTreeMap<String, Option<Range<usize>>>,
}

impl<'a> Evaluator<'a> {
    /// An evaluator that has looked at nothing.
    pub fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, depth: 0, steps: 0, defaults: BTreeMap::new() }
    }

    /// The value of an expression.
    pub fn value(&mut self, expression: &Expression) -> Result<Value, Refused> {
        let refuse = |what: &str| Err(Refused { what: what.to_owned(), span: expression.span() });
        self.depth += 1;
        self.steps += 1;
        if self.depth > DEPTH || self.steps > STEPS {
            return refuse("a value that leads back to itself, or to very many others,");
        }
        let value = match expression {
            Expression::Null(_) => Ok(Value::Null),
            Expression::Bool(value) => Ok(Value::Bool(*value.value())),
            Expression::Number(number) => {
                let number = number.value();
                let whole = number.as_i64().map(Number::from).or_else(|| number.as_u64().map(Number::from));
                let number = whole.or_else(|| Number::from_f64(number.as_f64()?));
                number.map(Value::Number).map_or_else(|| refuse("a number of this size"), Ok)
            }
            Expression::String(text) => Ok(Value::String(text.value().clone())),
            Expression::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Expression::Object(object) => {
                let mut fields = Map::new();
                for (key, value) in object {
                    fields.insert(self.key(key)?, self.value(value.expr())?);
                }
                Ok(Value::Object(fields))
            }
            Expression::StringTemplate(template) => self.template(template),
            Expression::HeredocTemplate(heredoc) => self.template(&heredoc.template),
            Expression::Parenthesis(inner) => self.value(inner.inner()),
            Expression::Traversal(traversal) => self.traversal(traversal),
            Expression::FuncCall(call) => self.call(call),
            Expression::Variable(_) => refuse("a name"),
            Expression::Conditional(_) => refuse("a condition"),
            Expression::ForExpr(_) => refuse("a `for`"),
            Expression::UnaryOp(_) | Expression::BinaryOp(_) => refuse("an operation"),
        };
        self.depth -= 1;
        value.map_err(|refused| Refused { span: refused.span.or_else(|| expression.span()), ..refused })
    }

    fn key(&mut self, key: &ObjectKey) -> Result<String, Refused> {
        let expression = match key {
            ObjectKey::Ident(name) => return Ok(name.value().to_string()),
            ObjectKey::Expression(expression) => expression,
        };
        match self.value(expression)? {
            Value::String(text) => Ok(text),
            other => Ok(other.to_string()),
        }
    }

    /// A template of one value is that value; else all of it is text.
    fn template(&mut self, template: &Template) -> Result<Value, Refused> {
        if let Some(Element::Interpolation(only)) = template.as_single_element() {
            return self.value(&only.expr);
        }
        let mut text = String::new();
        for element in template {
            match element {
                Element::Literal(literal) => text.push_str(literal.value()),
                Element::Interpolation(one) => match self.value(&one.expr)? {
                    Value::String(part) => text.push_str(&part),
                    part if part.is_number() || part.is_boolean() => text.push_str(&part.to_string()),
                    _ => {
                        return Err(Refused {
                            what: "a list or map in a text".to_owned(),
                            span: element.span(),
                        });
                    }
                },
                Element::Directive(_) => {
                    return Err(Refused { what: "a directive in a text".to_owned(), span: element.span() });
                }
            }
        }
        Ok(Value::String(text))
    }

    fn traversal(&mut self, traversal: &Traversal) -> Result<Value, Refused> {
        let refuse = |what: String| Refused { what, span: traversal.span() };
        let root = match &traversal.expr {
            Expression::Variable(name) => name.value().to_string(),
            _ => return Err(refuse("a part of an expression".to_owned())),
        };
        let Some((first, rest)) = traversal.operators.split_first() else { return Err(refuse(root)) };
        let TraversalOperator::GetAttr(name) = first.value() else {
            return Err(refuse(format!("a part of `{root}`")));
        };
        let name = name.value().to_string();
        let mut value = match root.as_str() {
            "var" => self
                .variable(&name)
                .ok_or_else(|| refuse(format!("`var.{name}`, which has no default that may be shown,")))??,
            "local" => match self.scope.locals.get(name.as_str()) {
                Some(expression) => self.elsewhere(expression)?,
                None => return Err(refuse(format!("`local.{name}`"))),
            },
            "path" if name == "module" => Value::from("."),
            _ => return Err(refuse(format!("`{root}.{name}`"))),
        };
        if root == "var" {
            self.defaults.insert(name, traversal.span());
        }
        for operator in rest {
            let part = match operator.value() {
                TraversalOperator::GetAttr(key) => value.get(key.value().as_str()).cloned(),
                TraversalOperator::Index(index) => match self.value(index)? {
                    Value::String(key) => value.get(&key).cloned(),
                    index => index.as_u64().and_then(|at| value.get(usize::try_from(at).ok()?).cloned()),
                },
                _ => None,
            };
            value = part.ok_or_else(|| refuse(format!("a part of `{root}`")))?;
        }
        Ok(value)
    }

    fn variable(&mut self, name: &str) -> Option<Result<Value, Refused>> {
        let expression = (*self.scope.variables.get(name)?)?;
        Some(self.elsewhere(expression))
    }

    /// A value that may stand in another file: its place would mean nothing here.
    fn elsewhere(&mut self, expression: &Expression) -> Result<Value, Refused> {
        self.value(expression).map_err(|refused| Refused { span: None, ..refused })
    }

    fn call(&mut self, call: &FuncCall) -> Result<Value, Refused> {
        let name = call.name.name.as_str();
        let refuse = |what: String| Refused { what, span: call.span() };
        let plain = !call.name.is_namespaced() && !call.args.expand_final();
        if name == "merge" && plain {
            return self.merged(call);
        }
        let known =
            ["file", "jsondecode", "jsonencode", "tostring", "yamldecode", "yamlencode"].contains(&name);
        let (Some(argument), 1, true, true) = (call.args.get(0), call.args.len(), plain, known) else {
            return Err(refuse(format!("the function `{name}`")));
        };
        let value = self.value(argument)?;
        let text = value.as_str().unwrap_or_default();
        match name {
            "file" => self.file(text).ok_or_else(|| refuse(format!("the file `{text}`, which is not here,"))),
            "jsondecode" => {
                serde_json::from_str(text).map_err(|_| refuse("a text that is not JSON".to_owned()))
            }
            "jsonencode" => Ok(Value::String(json(&value))),
            "yamlencode" => Ok(Value::String(yaml(&value))),
            "yamldecode" => {
                let read = super::text::root(text).map(|root| root.to_value());
                read.ok_or_else(|| refuse("a text that is not one document of YAML".to_owned()))
            }
            _ => match value {
                Value::String(_) => Ok(value),
                Value::Number(_) | Value::Bool(_) => Ok(Value::String(value.to_string())),
                _ => Err(refuse("a list or map as a text".to_owned())),
            },
        }
    }

    /// Maps as one; of a key, the last one counts.
    fn merged(&mut self, call: &FuncCall) -> Result<Value, Refused> {
        let mut all = Map::new();
        for argument in &call.args {
            match self.value(argument)? {
                Value::Object(fields) => all.extend(fields),
                Value::Null => {}
                _ => return Err(Refused { what: "`merge` of what is no map".to_owned(), span: call.span() }),
            }
        }
        Ok(Value::Object(all))
    }

    fn file(&self, path: &str) -> Option<Value> {
        let path = super::kustomize::join(self.scope.folder, path)?;
        let bytes = self.scope.tree.files.get(&path)?;
        std::str::from_utf8(bytes).ok().map(Value::from)
    }
}

/// JSON as Terraform writes it, which may stand in a web page.
fn json(value: &Value) -> String {
    let escapes = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    escapes.iter().fold(value.to_string(), |text, (letter, escape)| text.replace(*letter, escape))
}

/// An expression without parentheses around it.
pub fn bare(expression: &Expression) -> &Expression {
    match expression {
        Expression::Parenthesis(inner) => bare(inner.inner()),
        other => other,
    }
}
