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
  manifest = merge(local.labels, ["kind"])
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

resource "kubernetes_manifest" "spread" {
  manifest = merge([local.labels, local.labels]...)
}

resource "kubernetes_config_map" "sql" {
  metadata { name = "sql" }
}

locals {
  again = local.again
  a0 = "x"
  a1 = [local.a0, local.a0, local.a0, local.a0]
  a2 = [local.a1, local.a1, local.a1, local.a1]
  a3 = [local.a2, local.a2, local.a2, local.a2]
  a4 = [local.a3, local.a3, local.a3, local.a3]
  a5 = [local.a4, local.a4, local.a4, local.a4]
  a6 = [local.a5, local.a5, local.a5, local.a5]
  a7 = [local.a6, local.a6, local.a6, local.a6]
  a8 = [local.a7, local.a7, local.a7, local.a7]
  a9 = [local.a8, local.a8, local.a8, local.a8]
  a10 = [local.a9, local.a9, local.a9, local.a9]
  a11 = [local.a10, local.a10, local.a10, local.a10]
  a12 = [local.a11, local.a11, local.a11, local.a11]
}

resource "kubernetes_manifest" "again" {
  manifest = { kind = local.again }
}

resource "kubernetes_manifest" "laughs" {
  manifest = { kind = local.a12 }
}
