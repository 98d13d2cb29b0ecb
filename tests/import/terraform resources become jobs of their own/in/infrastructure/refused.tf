resource "kubernetes_manifest" "each" {
  for_each = toset(["a", "b"])
  manifest = {}
}

resource "kubernetes_manifest" "count" {
  count    = 2
  manifest = {}
}

resource "kubernetes_manifest" "unset" {
  manifest = { kind = "FlinkDeployment", spec = { taskManager = { replicas = var.replicas } } }
}

resource "kubernetes_manifest" "sensitive" {
  manifest = { kind = "FlinkDeployment", spec = { job = { args = [var.database_password] } } }
}

resource "kubernetes_manifest" "merged" {
  manifest = merge(local.labels, { kind = "FlinkDeployment" })
}

resource "kubernetes_manifest" "condition" {
  manifest = { kind = var.bucket == "x" ? "a" : "b" }
}

resource "kubernetes_manifest" "other" {
  manifest = { kind = data.aws_s3_bucket.x.bucket }
}

resource "kubernetes_manifest" "for" {
  manifest = { kind = [for one in ["a"] : one] }
}

resource "kubernetes_manifest" "file" {
  manifest = yamldecode(file("${path.module}/../../etc/passwd"))
}

resource "kubernetes_manifest" "template" {
  manifest = yamldecode(templatefile("x.yaml", {}))
}

resource "kubernetes_config_map" "sql" {
  metadata { name = "sql" }
}
