# Functions of a file: with variables under a key, published from the start, and published later.

resource "aws_kms_key" "variables" {
  description             = "Variables of the function"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  tags                    = { of = "variables" }
}

resource "aws_kms_alias" "variables" {
  name          = "alias/variables"
  target_key_id = aws_kms_key.variables.key_id
}

resource "aws_lambda_function" "zip" {
  function_name                  = "zip"
  description                    = "Change ${var.change}"
  role                           = local.role
  runtime                        = var.runtime
  handler                        = "app.handler"
  architectures                  = [var.architecture]
  timeout                        = 5
  memory_size                    = 256
  reserved_concurrent_executions = 3
  filename                       = var.code
  source_code_hash               = filebase64sha256(var.code)
  kms_key_arn                    = aws_kms_key.variables.arn
  tags                           = { of = "zip", change = tostring(var.change) }

  environment {
    variables = { SECRET = "secret ${var.change}" }
  }

  ephemeral_storage {
    size = 600
  }

  logging_config {
    log_format = "Text"
  }

  tracing_config {
    mode = "PassThrough"
  }
}

resource "aws_lambda_permission" "function" {
  statement_id_prefix = "events-"
  action              = "lambda:InvokeFunction"
  function_name       = aws_lambda_function.zip.arn
  principal           = "events.amazonaws.com"
  source_account      = "000000000000"
}

resource "aws_lambda_function" "published" {
  function_name    = "published"
  role             = local.role
  runtime          = var.runtime
  handler          = "app.handler"
  filename         = var.code
  source_code_hash = filebase64sha256(var.code)
  publish          = true
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What callers use"
  function_name    = aws_lambda_function.published.function_name
  function_version = aws_lambda_function.published.version
}

resource "aws_lambda_permission" "alias" {
  statement_id  = "s3"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.published.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "s3.amazonaws.com"
  source_arn    = aws_s3_bucket.code.arn
}

resource "aws_lambda_function" "later" {
  function_name    = "later"
  role             = local.role
  runtime          = var.runtime
  handler          = "app.handler"
  filename         = var.code
  source_code_hash = filebase64sha256(var.code)
  publish          = var.change > 1
}

output "published" {
  value = [aws_lambda_function.published.version, aws_lambda_function.published.qualified_arn]
}

output "later" {
  value = [aws_lambda_function.later.version, aws_lambda_function.later.qualified_arn]
}
