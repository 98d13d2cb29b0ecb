image_tag = "1.4.2"
database_password = "hunter44"
parallelism = 2
