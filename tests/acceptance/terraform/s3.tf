# A function of an object in a bucket with versions.

resource "aws_s3_bucket" "code" {
  bucket        = "code"
  force_destroy = true
  tags          = { of = "code" }
}

resource "aws_s3_bucket_versioning" "code" {
  bucket = aws_s3_bucket.code.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "code" {
  bucket = aws_s3_bucket.code.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_object" "code" {
  bucket      = aws_s3_bucket_versioning.code.bucket
  key         = "packages/app.zip"
  source      = var.code
  source_hash = filebase64sha256(var.code)
  tags        = { of = "object" }
}

resource "aws_lambda_function" "s3" {
  function_name     = "s3"
  role              = local.role
  runtime           = var.runtime
  handler           = "app.handler"
  s3_bucket         = aws_s3_object.code.bucket
  s3_key            = aws_s3_object.code.key
  s3_object_version = aws_s3_object.code.version_id
}
