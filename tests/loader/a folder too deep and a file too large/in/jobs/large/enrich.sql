-- Two hundred and more characters, where no more than two hundred may be: this file belongs into a store of
-- its own, such as a bucket, or into the image of the job that reads it, and not beside its job.yaml in Git.
SELECT 1;
